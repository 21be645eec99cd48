/**
 * Entry of a worker. Environment: GAVEL_URL and GAVEL_API_KEY (a key of scope `worker`) say where jobs come
 * from; GAVEL_WORKER_NAME, GAVEL_WORKSPACE, GAVEL_THREADS, GAVEL_DEVICE (auto, cpu or cuda), GAVEL_MEMORY_MB
 * (what a training job that names no budget may take), GAVEL_SHARD_BYTES (most bytes of one
 * file of a checkpoint, 4.5 · 10⁹ by itself), GAVEL_MODEL_ROOTS (folders, separated as in PATH, from
 * which jobs may name models), GAVEL_TRUSTED_TENANTS (tenants, separated by commas, whose jobs may use those folders and
 * the hub's token beside the worker's own), GAVEL_STALL_SECONDS, GAVEL_JOB_MEMORY_MB and GAVEL_GRACE_SECONDS (when a
 * job's process is ended: docs/operation.md), HF_ENDPOINT, HF_TOKEN and HF_HOME are optional.
 */
import { hostname, tmpdir, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { childEnvironment } from './child-process/child-environment.ts'
import { claimWorkspace } from './jobs/claim-workspace.ts'
import { runWorker } from './jobs/run-worker.ts'
import { WorkerApi } from './jobs/worker-api.ts'
import { tenantsIn } from './models/source.ts'
import { chooseDevice, deviceWish, type Device } from './runtime/device.ts'
import { hubFromEnv } from './weights/hub-from-env.ts'

/** Unless told otherwise: what a slow disk or a long row may take, and what container managers leave a process (30 s). */
const STALL_SECONDS = 300
const GRACE_SECONDS = 25
/** Of the machine's memory, or the container's; the rest is for the worker itself. */
const MEMORY_SHARE = 0.9

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

const graceSeconds = wholeNumber('GAVEL_GRACE_SECONDS') ?? GRACE_SECONDS
const jobMemoryMb = wholeNumber('GAVEL_JOB_MEMORY_MB')

const stopping = new AbortController()
// Whatever the job does, or the API: what the worker had is taken up by another.
stopping.signal.addEventListener('abort', () => setTimeout(() => process.exit(0), (graceSeconds + 4) * 1000).unref())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
// Under a parent (gavel dev), the worker ends with it.
process.on('disconnect', () => stopping.abort())

const parent = env.GAVEL_WORKSPACE ?? join(tmpdir(), 'gavel-worker')
const workspace = claimWorkspace(parent)
await runWorker({
  api: new WorkerApi({ url, key }),
  name: env.GAVEL_WORKER_NAME ?? `${hostname()}-${process.pid}`,
  workspace: workspace.folder,
  signal: stopping.signal,
  log: (line) => console.error(line),
  engine: { threads, device, memoryBudgetMb, shardBytes },
  sources: { roots: env.GAVEL_MODEL_ROOTS?.split(delimiter).filter(Boolean) ?? [], hub: hubFromEnv(env) },
  trustedTenants: tenantsIn(env.GAVEL_TRUSTED_TENANTS),
  limits: {
    stallSeconds: wholeNumber('GAVEL_STALL_SECONDS') ?? STALL_SECONDS,
    memoryBytes: jobMemoryMb ? jobMemoryMb * 1e6 : MEMORY_SHARE * memoryHere(),
    graceSeconds,
  },
  environment: childEnvironment(env),
})
workspace.leave()
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

/** Of the container where one limits it, else of the machine, in bytes. */
function memoryHere(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

function wholeNumber(name: string): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const n = Number(text)
  if (Number.isInteger(n) && n > 0) return n
  console.error(`${name} is ${JSON.stringify(text)}; give a whole number above 0, or leave it out.`)
  process.exit(2)
}
