/**
 * `npm run test:fuzz -- [--seed N] [OPTIONS OF schemathesis run]`: schemathesis against the served description of a
 * server of its own, with a real key, judges, one of them behind a real provider, a recipe, a model, a dataset and jobs, one
 * of them under a lease.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pythonWith } from '../../scripts/python-venv.ts'
import { startServer } from '../../src/server.ts'
import { startProviderServer } from '../adapters/judges/provider-server.ts'

const KEY = `gvl_${'f'.repeat(64)}`
const ROOT = join(import.meta.dirname, '../..')

const given = process.argv.slice(2)
const seed = given.includes('--seed') ? [] : ['--seed', '1']
const python = pythonWith('test/fuzz/requirements.txt', 'fuzz', 'GAVEL_FUZZ_PYTHON')
const folder = mkdtempSync(join(tmpdir(), 'gavel-fuzz-'))
const provider = await startProviderServer()
const server = await startServer({
  dataDir: folder,
  adminKey: KEY,
  secretKey: 'a passphrase for fuzzing, quite long',
  allowPrivateUrls: true,
})

async function post<T>(path: string, body: string | object): Promise<T> {
  const isText = typeof body === 'string'
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': isText ? 'application/jsonl' : 'application/json' },
    body: isText ? body : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  return (await response.json()) as T
}
const create = (path: string, body: string | object) => post<{ id: string }>(path, body)

let status: number | null = 1
let beating: NodeJS.Timeout | undefined
try {
  await create('/v1/judges', {
    name: 'fuzz-judge',
    provider: { type: 'openai', base_url: provider.url, model: 'judge', api_key: 'sk-fuzz' },
    label_token_ids: { yes: [9642], no: [2822] },
  })
  await create('/v1/recipes', { name: 'fuzz-reward', lambda: 1, mu: 1, verifier: 'math', judge: 'fuzz-judge' })
  await create('/v1/models', { name: 'student', source: { type: 'hub', repo: 'HuggingFaceTB/SmolLM2-135M-Instruct' } })
  await create('/v1/datasets?name=word-problems', '{"prompt": "What is 2 + 3?", "answer": "5", "completion": "5"}\n')
  for (let job = 0; job < 3; job++) {
    await create('/v1/jobs', {
      type: 'sft',
      model: 'student',
      dataset: 'word-problems',
      config: { steps: 1, batch_size: 1, learning_rate: 1e-5, max_tokens: 64 },
    })
  }

  const local = { provider: { type: 'local', model: 'student' }, price: { input: 1, output: 1 } }
  const judge = await create('/v1/judges', { name: 'fuzz-local-judge', ...local })
  await create('/v1/jobs', { type: 'judge.audit', judge: judge.id, dataset: 'word-problems', verifier: 'math' })
  const wanted = { worker: 'fuzz', kinds: ['judge.audit'] }
  const { job } = await post<{ job: { id: string; fence: number } }>('/v1/worker/lease', wanted)
  // Else whoever asks for a job next gets this one.
  const beat = () => void post(`/v1/worker/jobs/${job.id}/heartbeat`, { fence: job.fence }).catch(() => {})
  beating = setInterval(beat, 15_000)

  const leased = { GAVEL_FUZZ_JOB: job.id, GAVEL_FUZZ_FENCE: String(job.fence), GAVEL_FUZZ_JUDGE: judge.id }
  const env = { ...process.env, ...leased, PYTHONPATH: import.meta.dirname, SCHEMATHESIS_HOOKS: 'fuzz_hooks' }
  const schemathesis = join(dirname(python), 'schemathesis')
  const args = ['run', `${server.url}/openapi.json`, '--header', `Authorization: Bearer ${KEY}`, ...seed, ...given]
  const child = spawn(schemathesis, args, { cwd: ROOT, stdio: 'inherit', env })
  status = await new Promise((resolve) => child.once('close', resolve))
} finally {
  clearInterval(beating)
  await server.close()
  await provider.close()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = status ?? 1
