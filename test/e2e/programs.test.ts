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

test('numbers beyond 2^1024 are answers, to their last digit', async () => {
  const great = 2n ** 2000n
  const rows: [body: string, gold: string, correct: boolean][] = [
    ['return 2**2000', String(great), true],
    ['return 2**2000 + 1', String(great), false],
    ['return -2**2000', String(-great), true],
    ['return 2**2000', '2^{2000}', true],
    ['return 10**1900 + 7', `1${'0'.repeat(1899)}7`, true],
    ['return 10**1900 + 7', `1${'0'.repeat(1899)}8`, false],
    ['from fractions import Fraction\n    return Fraction(2**2000, 3)', `${great}/3`, true],
    ['from fractions import Fraction\n    return Fraction(2**2000, 3)', `${great + 3n}/3`, false],
    ['from decimal import Decimal\n    return Decimal("1e400")', `1${'0'.repeat(400)}`, true],
    ['from decimal import Decimal\n    return Decimal("1e400") * 2', `1${'0'.repeat(400)}`, false],
    ['return [2**2000, 1]', `(${great}, 1)`, true],
  ]
  const items = rows.map(([body, gold]) => ({ text: `\`\`\`python\ndef solution():\n    ${body}\n\`\`\``, gold }))
  const { data } = await post<{ data: Verdict[] }>('/v1/verify', { verifier: 'program', items })
  for (const [i, [body, gold, correct]] of rows.entries())
    assert.equal(data[i]!.correct, correct, `${body} ${gold.slice(0, 20)}: ${JSON.stringify(data[i]).slice(0, 300)}`)
})

test('a client that leaves takes its programs with it', async () => {
  const loop = '```python\ndef solution():\n    while True: pass\n```'
  const items = Array.from({ length: 5 }, (_, i) => ({ text: loop.replace('pass', `x = ${i}`), gold: '72' }))
  const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
  const body = JSON.stringify({ verifier: 'program', items })
  const signal = AbortSignal.timeout(1500)
  await assert.rejects(fetch(`${server.url}/v1/verify`, { method: 'POST', headers, body, signal }), /timeout/)
  const started = performance.now()
  const { data } = await post<{ data: Verdict[] }>('/v1/verify', { verifier: 'program', items: [{ text: RIGHT, gold: '72' }] }) // prettier-ignore
  assert.equal(data[0]!.correct, true)
  assert.ok(performance.now() - started < 30_000, 'the loops were not ended')
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
