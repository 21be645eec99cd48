/** Jobs whose rows are verified by running what the model wrote, well-meaning or not: a real worker, a real sandbox. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { all } from '../../src/client.ts'
import { ANSWERS_FILE, type AnsweredRow } from '../../src/core/schemas/eval.ts'
import type { Job } from '../../src/core/schemas/job.ts'
import { startService, type Service, type WorkerProcess } from './service.ts'
import { inState, MODELS } from './training-jobs.ts'

/** What the student is taught to write, by the question; each returns 42 where nothing keeps it from that. */
const PROGRAMS = {
  right: 'return 6 * 7',
  wrong: 'return 41',
  broken: 'return answer',
  endless: 'while True: pass',
  huge: 'x = []\n    while 1: x += [bytes(10**7)]',
  network: 'import socket\n    socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", 9))\n    return 42',
  files: 'open("/etc/passwd").read()\n    return 42',
}
const written = (body: string) => `\`\`\`python\ndef solution():\n    ${body}\n\`\`\``

/** What a run of each comes to: right, or the reason why not. */
const VERDICTS: Record<keyof typeof PROGRAMS, { correct: boolean; extracted: string | null; reason?: RegExp }> = {
  right: { correct: true, extracted: '42' },
  wrong: { correct: false, extracted: '41' },
  broken: { correct: false, extracted: null, reason: /raised NameError: name 'answer' is not defined/ },
  endless: { correct: false, extracted: null, reason: /took longer than 10 s/ },
  huge: { correct: false, extracted: null, reason: /raised MemoryError/ },
  network: { correct: false, extracted: null, reason: /raised PermissionError: .*Operation not permitted/ },
  files: { correct: false, extracted: null, reason: /raised FileNotFoundError/ },
}
const LIMITS = { max_prompt_tokens: 32, max_new_tokens: 128 }

let service: Service
let worker: WorkerProcess
/** A student that answers each question with its program. */
let student: string
before(async () => {
  service = await startService()
  worker = service.startWorker()
  const { api } = service
  await api.models.create({ name: 'student', source: { type: 'local', path: join(MODELS, 'student') } })
  const upload = (name: string, rows: object[]) =>
    api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  const questions = Object.entries(PROGRAMS)
  await upload(
    'programs',
    questions.map(([prompt, body]) => ({ prompt, completion: written(body) })),
  )
  await upload(
    'questions',
    questions.map(([prompt]) => ({ prompt, answer: '42' })),
  )
  const { id } = await api.jobs.create({
    type: 'sft',
    model: 'student',
    dataset: 'programs',
    prompt_template: '{prompt}\n',
    config: {
      seed: 3,
      steps: 100,
      batch_size: 7,
      max_tokens: 128,
      learning_rate: 3e-3,
      schedule: 'linear',
      warmup_steps: 5,
    },
  })
  await inState(api, id, 'succeeded')
  const [checkpoint] = await all(api.jobs.checkpoints(id))
  student = checkpoint!.id
})
after(() => service.close())

async function finished(spec: Parameters<Service['api']['jobs']['create']>[0]): Promise<Job> {
  const { id } = await service.api.jobs.create(spec)
  return inState(service.api, id, 'succeeded')
}

test('an evaluation runs each program, and outlives those that hang, grow and reach out', async () => {
  const { id, result } = await finished({
    type: 'eval',
    model: student,
    dataset: 'questions',
    prompt_template: '{prompt}\n',
    verifier: 'program',
    config: LIMITS,
  })
  assert.deepEqual([result!.correct, result!.n], [1, 7])
  const [checkpoint] = await all(service.api.jobs.checkpoints(id))
  const file = await (await service.api.checkpoints.file(checkpoint!.id, ANSWERS_FILE)).text()
  const rows = file
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AnsweredRow)
  for (const [i, [question, body]] of Object.entries(PROGRAMS).entries()) {
    const [{ text, correct, extracted, reason }] = rows[i]!.answers as [AnsweredRow['answers'][number]]
    const expected = VERDICTS[question as keyof typeof PROGRAMS]
    assert.equal(text, written(body), question)
    assert.deepEqual({ correct, extracted }, { correct: expected.correct, extracted: expected.extracted }, question)
    if (expected.reason) assert.match(reason!, expected.reason)
  }
})

test('two steps of GRPO are rewarded by what the programs return', async () => {
  const { id, result } = await finished({
    type: 'grpo',
    model: student,
    data: { labelled: 'questions' },
    prompt_template: '{prompt}\n',
    reward: { lambda: 1, mu: 0, verifier: 'program', gate: true },
    // An answer drawn so cold is the one that was taught.
    config: {
      ...LIMITS,
      seed: 3,
      steps: 2,
      prompts_per_step: 4,
      group_size: 2,
      temperature: 0.05,
      learning_rate: 1e-5,
    },
  })
  assert.equal(result!.steps, 2)
  const points = await all(service.api.jobs.metrics(id))
  assert.equal(points.length, 2)
  const samples = await all(service.api.jobs.samples(id))
  for (const { prompt, reward, terms } of samples) {
    const { correct, extracted } = VERDICTS[prompt.trim() as keyof typeof PROGRAMS]
    const expected = correct ? 1 : extracted === null ? 0 : 0.1
    assert.deepEqual([reward, terms!.verifier], [expected, expected], prompt)
  }
})

test('no interpreter outlives its job', () => {
  assert.deepEqual(
    worker.processes().filter((command) => command.includes('sandbox-process')),
    [],
  )
})
