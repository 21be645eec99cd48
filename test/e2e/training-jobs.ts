/** The jobs that the tests run, on the demo's tiny models and problems, and what is compared of two runs. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { problems, type Problem } from '../../demo/problems.ts'
import { JUDGE, PROMPT_TEMPLATE } from '../../demo/recipe.ts'
import { all, ApiError, type Client, type NewJob } from '../../src/client.ts'
import type { Job, JobState } from '../../src/core/schemas/job.ts'

export const MODELS = fileURLToPath(new URL('../../demo/models/', import.meta.url))
const LIMITS = { max_prompt_tokens: 96, max_new_tokens: 40 }

/** What jobs refer to, by names that are the same in every service: student, judge, labelled, unlabelled, canary, solutions. */
export async function bringData(api: Client): Promise<void> {
  const pool = problems({ seed: 77, count: 60, heldout: false })
  const heldOut = problems({ seed: 78, count: 12, heldout: true })
  const upload = (name: string, rows: object[]) =>
    api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  const prompt = ({ question }: Problem) => ({ prompt: question })
  const labelled = (p: Problem) => ({ ...prompt(p), answer: String(p.answer) })
  await upload('labelled', pool.slice(0, 9).map(labelled))
  await upload('unlabelled', pool.slice(9, 30).map(prompt))
  await upload('canary', heldOut.map(labelled))
  await upload(
    'solutions',
    pool.slice(30).map((p) => ({ ...prompt(p), completion: `#### ${p.answer}` })),
  )
  const local = (folder: string) => ({ type: 'local' as const, path: join(MODELS, folder) })
  await api.models.create({ name: 'student', source: local('student') })
  await api.models.create({ name: 'judge-model', source: local('judge') })
  await api.judges.create({
    name: 'judge',
    provider: { type: 'local', model: 'judge-model' },
    ...JUDGE,
    min_label_mass: 0,
  })
}

type Config<T extends NewJob['type']> = Partial<Extract<NewJob, { type: T }>['config']>

/** Everything that has a memory: two datasets, a judge, a canary, a reference, two updates a step, a schedule. */
export const grpoJob = (config: Config<'grpo'> = {}, changes: Partial<NewJob> = {}): NewJob =>
  ({
    type: 'grpo',
    model: 'student',
    data: { labelled: 'labelled', unlabelled: 'unlabelled', canary: 'canary' },
    prompt_template: PROMPT_TEMPLATE,
    // Without gate and least label mass every answer has a reward of its own, whatever the models can do.
    reward: { lambda: 0.5, mu: 0.5, judge: 'judge', verifier: 'math', gate: false },
    config: {
      ...LIMITS,
      seed: 5,
      steps: 6,
      prompts_per_step: 4,
      group_size: 4,
      learning_rate: 5e-4,
      warmup_steps: 2,
      schedule: 'cosine',
      weight_decay: 0.01,
      epochs: 2,
      kl_coefficient: 0.05,
      canary_every: 3,
      checkpoint_every: 2,
      ...config,
    },
    ...changes,
  }) as NewJob

/** The same with a value head, minibatches and a reference that is reset. */
export const ppoJob = (config: Config<'ppo'> = {}): NewJob => {
  const { type: _, config: shared, ...job } = grpoJob() as Extract<NewJob, { type: 'grpo' }>
  return {
    ...job,
    type: 'ppo',
    config: { ...shared, minibatches: 2, reference_reset_every: 3, kl_target: 0.01, ...config },
  }
}

export const sftJob = (config: Config<'sft'> = {}, changes: Partial<NewJob> = {}): NewJob =>
  ({
    type: 'sft',
    model: 'student',
    dataset: 'solutions',
    prompt_template: PROMPT_TEMPLATE,
    config: {
      seed: 5,
      steps: 40,
      batch_size: 8,
      max_tokens: 128,
      learning_rate: 1e-3,
      warmup_steps: 4,
      schedule: 'linear',
      micro_batch_tokens: 256,
      checkpoint_every: 10,
      ...config,
    },
    ...changes,
  }) as NewJob

/** Several draws to each row, verified and judged: six chunks of two rows, each committed. */
export const evalJob = (): NewJob => ({
  type: 'eval',
  model: 'student',
  dataset: 'canary',
  prompt_template: PROMPT_TEMPLATE,
  verifier: 'math',
  judge: 'judge',
  config: { ...LIMITS, seed: 5, temperature: 1, group_size: 125, samples: 5 },
})

/** Waits until something holds, looking often. Throws after `seconds`. */
export async function until<T>(what: string, look: () => Promise<T | null | false>, seconds = 200): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const found = await look().catch(whileAway)
    if (found) return found
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain until ${what}`)
    await sleep(25)
  }
}

/** On a machine that is busy elsewhere a connection may be let go of; the next look finds out. */
function whileAway(error: unknown): null {
  if (error instanceof ApiError && error.code === 'unreachable') return null
  throw error
}

/** Waits until a job is in one of the states. Throws, with the job's error, where it ends in another. */
export async function inState(api: Client, id: string, ...states: JobState[]): Promise<Job> {
  return until(`${id} is ${states.join(' or ')}`, async () => {
    const job = await api.jobs.get(id)
    if (states.includes(job.state)) return job
    const ended = job.state === 'succeeded' || job.state === 'failed' || job.state === 'cancelled'
    assert.ok(!ended, `${id} is ${job.state}: ${JSON.stringify(job.error)}`)
    return null
  })
}

/** Steps of which the job's metrics, and its checkpoints, are known; both in order. */
export async function progressOf(api: Client, id: string): Promise<{ metrics: number[]; checkpoints: number[] }> {
  const metrics = (await all(api.jobs.metrics(id))).map(({ step }) => step)
  const checkpoints = (await all(api.jobs.checkpoints(id))).map(({ step }) => step).sort((a, b) => a - b)
  return { metrics, checkpoints }
}

/**
 * All that a finished job leaves but times and ids: its result, the numbers of each step, its samples, and of each
 * checkpoint the state and the hashes of its files, those of the last taken from the bytes themselves.
 */
export async function remains(api: Client, id: string) {
  const job = await inState(api, id, 'succeeded')
  const metrics = (await all(api.jobs.metrics(id))).map(({ step, values }) => ({
    step,
    values: Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith('seconds/'))),
  }))
  const samples = (await all(api.jobs.samples(id))).map(({ id: _, ...sample }) => sample)
  const checkpoints = []
  const [last, ...earlier] = await all(api.jobs.checkpoints(id))
  for (const { id: checkpoint, step, files } of [last!, ...earlier]) {
    const { objects, state } = await api.checkpoints.manifest(checkpoint)
    checkpoints.push({ step, state, objects })
    assert.deepEqual(
      files.map(({ name, sha256 }) => [name, sha256]),
      objects.map(({ name, sha256 }) => [name, sha256]),
    )
  }
  const bytes: Record<string, string> = {}
  for (const { name } of last!.files) {
    const body = await (await api.checkpoints.file(last!.id, name)).arrayBuffer()
    bytes[name] = createHash('sha256').update(new Uint8Array(body)).digest('hex')
  }
  return { result: job.result, metrics, samples, checkpoints, bytes }
}
