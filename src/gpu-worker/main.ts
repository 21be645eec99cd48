/**
 * Entry of a worker. Environment: GAVEL_URL and GAVEL_API_KEY (a key of scope `worker`) say where jobs come
 * from; GAVEL_WORKER_NAME, GAVEL_WORKSPACE, GAVEL_THREADS, GAVEL_DEVICE (auto, cpu or cuda), GAVEL_MEMORY_MB
 * (what a training job that names no budget may take), GAVEL_SHARD_BYTES (most bytes of one
 * file of a checkpoint, 4.5 · 10⁹ by itself), GAVEL_MODEL_ROOTS (folders, separated as in PATH, from
 * which jobs may name models), HF_ENDPOINT, HF_TOKEN and HF_HOME are optional.
 */
import { mkdirSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { claimWorkspace } from './jobs/claim-workspace.ts'
import { runWorker } from './jobs/run-worker.ts'
import { WorkerApi } from './jobs/worker-api.ts'
import { chooseDevice, deviceWish, type Device } from './runtime/device.ts'
import { hubFromEnv } from './weights/hub-from-env.ts'

const { env } = process
const url = env.GAVEL_URL
const key = env.GAVEL_API_KEY
if (!url || !key) {
  console.error('Set GAVEL_URL (the API, e.g. https://gavel.example.com) and GAVEL_API_KEY (a key of scope worker).')
  process.exit(2)
}
const threads = wholeNumber('GAVEL_THREADS')
const device = await chosenDevice()
const memoryBudgetMb = wholeNumber('GAVEL_MEMORY_MB')
const shardBytes = wholeNumber('GAVEL_SHARD_BYTES')

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
// Under a parent (gavel dev), the worker ends with it.
process.on('disconnect', () => stopping.abort())

const parent = env.GAVEL_WORKSPACE ?? join(tmpdir(), 'gavel-worker')
mkdirSync(parent, { recursive: true })
await runWorker({
  api: new WorkerApi({ url, key }),
  name: env.GAVEL_WORKER_NAME ?? `${hostname()}-${process.pid}`,
  workspace: claimWorkspace(parent, process.pid),
  signal: stopping.signal,
  log: (line) => console.error(line),
  threads,
  device,
  memoryBudgetMb,
  shardBytes,
  roots: env.GAVEL_MODEL_ROOTS?.split(delimiter).filter(Boolean) ?? [],
  hub: hubFromEnv(env),
})
process.exit(0)

async function chosenDevice(): Promise<Device> {
  try {
    const { device, note } = await chooseDevice(deviceWish(env.GAVEL_DEVICE))
    if (note) console.error(note)
    return device
  } catch (error) {
    console.error((error as Error).message)
    process.exit(2)
  }
}

function wholeNumber(name: string): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const n = Number(text)
  if (Number.isInteger(n) && n > 0) return n
  console.error(`${name} is ${JSON.stringify(text)}; give a whole number above 0, or leave it out.`)
  process.exit(2)
}
