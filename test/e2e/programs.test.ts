/** Programs through the service: verification, rewards and OpenAI's python grader, with a real interpreter. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as v from 'valibot'
import type { runGraderAnswer } from '../../src/core/schemas/grader.ts'
import type { Verdict } from '../../src/core/schemas/verify.ts'
import { startServer, type RunningServer } from '../../src/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'gavel-programs-'))
let server: RunningServer
before(async () => (server = await startServer({ dataDir, adminKey: 'admin', secretKey: null })))
after(async () => {
  await server.close()
  rmSync(dataDir, { recursive: true })
})

async function post<Answer>(path: string, body: unknown): Promise<Answer> {
  const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
  const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as Answer
}

const RIGHT = '```python\ndef solution():\n    return sum(range(10)) + 27\n```'
const WRONG = '```python\ndef solution():\n    return 71\n```'
const BROKEN = '```python\ndef solution():\n    return undefined\n```'

test('verify, a batch at once', async () => {
  const items = Array.from({ length: 60 }, (_, i) => ({
    text: [RIGHT, WRONG, BROKEN, 'The answer is 72.'][i % 4],
    gold: '72',
  }))
  const { data } = await post<{ data: Verdict[] }>('/v1/verify', { verifier: 'program', items })
  assert.deepEqual(data.slice(0, 4), [
    { correct: true, extracted: '72', reward: 1 },
    { correct: false, extracted: '71', reward: 0.1 },
    {
      correct: false,
      extracted: null,
      reward: 0,
      reason: "The program raised NameError: name 'undefined' is not defined (line 2).",
    },
    { correct: false, extracted: null, reward: 0, reason: 'There is no Python function solution() in the text.' },
  ])
  assert.deepEqual(data.slice(4, 8), data.slice(0, 4))
})

test('a whole number beyond 2^1024 is an answer, to its last digit', async () => {
  const program = (last: number) => `\`\`\`python\ndef solution():\n    return 2**1100 + ${last}\n\`\`\``
  const gold = String(2n ** 1100n)
  const items = [0, 1].map((last) => ({ text: program(last), gold }))
  const { data } = await post<{ data: Verdict[] }>('/v1/verify', { verifier: 'program', items })
  assert.deepEqual(
    data.map(({ correct }) => correct),
    [true, false],
  )
})

test('rewards', async () => {
  const { data } = await post<{ data: { reward: number }[] }>('/v1/rewards', {
    reward: { lambda: 1, verifier: { type: 'program', tolerance: 2 } },
    items: [RIGHT, WRONG, BROKEN, 'none'].map((completion) => ({ prompt: 'How many?', completion, answer: '72' })),
  })
  assert.deepEqual(
    data.map(({ reward }) => reward),
    [1, 1, 0, 0],
  )
})

test("OpenAI's python grader", async () => {
  const run = (source: string) =>
    post<v.InferOutput<typeof runGraderAnswer>>('/v1/fine_tuning/alpha/graders/run', {
      grader: { type: 'python', name: 'p', source },
      model_sample: '{"n": 5}',
      item: { wanted: 10 },
    })
  const graded = await run('def grade(sample, item):\n    return sample["output_json"]["n"] / item["wanted"]')
  assert.deepEqual([graded.reward, graded.metadata.scores], [0.5, { p: 0.5 }])
  const exact = 'def grade(sample, item):\n    return float(sample["output_json"] == 9007199254740993)'
  const great = await post<v.InferOutput<typeof runGraderAnswer>>('/v1/fine_tuning/alpha/graders/run', {
    grader: { type: 'python', name: 'p', source: exact },
    model_sample: '9007199254740993',
    item: {},
  })
  assert.equal(great.reward, 1)
  const raised = await run('def grade(sample, item):\n    return sample["nothing"]')
  assert.equal(raised.reward, 0)
  assert.equal(raised.metadata.errors.python_grader_runtime_error, true)
  assert.equal(raised.metadata.errors.python_grader_runtime_error_details, "KeyError: 'nothing' (line 2)")
  assert.equal(
    (await run('def grade(sample, item):\n    return "x"')).metadata.errors.python_grader_runtime_error,
    true,
  )
})
