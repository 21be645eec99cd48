/**
 * The main job over plain HTTP, with nothing but `fetch`: copy it, and put your own data and model in.
 *
 *   GAVEL_URL=http://127.0.0.1:8787 GAVEL_API_KEY=gvl_… node examples/train-over-http.ts
 *
 * It names the model `student` by a path of the worker's machine: set STUDENT, or change `source` to
 * `{ type: 'hub', repo: 'owner/name' }`.
 */
import { readFile } from 'node:fs/promises'

const url = process.env.GAVEL_URL ?? 'http://127.0.0.1:8787'
const headers = { authorization: `Bearer ${process.env.GAVEL_API_KEY}` }

interface Job {
  id: string
  state: string
  step: number | null
  result: { correct: number; n: number; low: number; high: number } | null
  error: { message: string } | null
}

async function call<T>(method: string, path: string, body?: BodyInit, type = 'application/json'): Promise<T> {
  const init = body === undefined ? { headers } : { headers: { ...headers, 'content-type': type }, body }
  const response = await fetch(`${url}${path}`, { method, ...init })
  const answer = (await response.json()) as T & { error?: { message: string } }
  if (!response.ok) throw new Error(`${method} ${path}: ${answer.error?.message}`)
  return answer
}

const upload = async (name: string) =>
  call(
    'POST',
    `/v1/datasets?name=${name}`,
    await readFile(new URL(`${name}.jsonl`, import.meta.url)),
    'application/jsonl',
  )

async function run(spec: object): Promise<Job> {
  let job = await call<Job>('POST', '/v1/jobs', JSON.stringify(spec))
  console.log(`${job.id} is queued`)
  while (!['succeeded', 'failed', 'cancelled'].includes(job.state)) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    job = await call<Job>('GET', `/v1/jobs/${job.id}`)
  }
  if (job.state !== 'succeeded') throw new Error(`${job.id} ${job.state}: ${job.error?.message}`)
  return job
}

await Promise.all(['problems', 'held-out'].map(upload))
const source = { type: 'local', path: process.env.STUDENT ?? 'models/student' }
await call('POST', '/v1/models', JSON.stringify({ name: 'student', source }))

const trained = await run({
  type: 'grpo',
  model: 'student',
  data: { labelled: 'problems', canary: 'held-out' },
  reward: { lambda: 1, verifier: 'math' },
  config: {
    steps: 100,
    prompts_per_step: 4,
    group_size: 8,
    learning_rate: 1e-5,
    max_prompt_tokens: 128,
    max_new_tokens: 128,
  },
})

const { data } = await call<{ data: { id: string }[] }>('GET', `/v1/jobs/${trained.id}/checkpoints?limit=1`)
const checkpoint = data[0]!.id
const { result } = await run({
  type: 'eval',
  model: checkpoint,
  dataset: 'held-out',
  verifier: 'math',
  config: { max_new_tokens: 128 },
})
console.log(`${checkpoint}: ${result!.correct} of ${result!.n} right (95 % interval ${result!.low} to ${result!.high})`)
