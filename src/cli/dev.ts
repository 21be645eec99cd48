import type { Command } from 'commander'
import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OPERATOR_TENANT } from '../core/schemas/key.ts'
import { childEnvironment } from '../gpu-worker/child-process/child-environment.ts'
import { chooseDevice, type DeviceWish } from '../gpu-worker/runtime/device.ts'
import { deviceOption } from './device-option.ts'
import { keptSecret } from './kept-secret.ts'

const WORKER = new URL(`../gpu-worker/main${import.meta.url.slice(-3)}`, import.meta.url)
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))
const RESTART_MS = 2000

interface DevOptions {
  port: string
  host: string
  data: string
  models: string[]
  threads?: string
  device: DeviceWish
}

/** `gavel dev`: API, database, object store and a worker, in one process tree. */
export function registerDev(program: Command): void {
  program
    .command('dev')
    .description('run everything on this machine: API, SQLite, a folder as object store, a worker')
    .option('--port <n>', 'port of the API; 0 takes a free one', '8787')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--data <dir>', 'where database and objects are kept', '.gavel')
    .option('--models <dir...>', 'folders from which jobs may name models by path', [process.cwd(), PACKAGE])
    .option('--threads <n>', 'threads of the engine; all cores by default')
    .addOption(deviceOption())
    .action(dev)
}

async function dev(options: DevOptions): Promise<void> {
  // They are heavy, and `gavel --help` and the other commands do without.
  const [{ localJudgeHost }, { sourcesFor, tenantsIn }, { hubFromEnv }, { logFromEnv, s3FromEnv, startServer }] =
    await Promise.all([
      import('../gpu-worker/judge/local-judge-host.ts'),
      import('../gpu-worker/models/source.ts'),
      import('../gpu-worker/weights/hub-from-env.ts'),
      import('../server.ts'),
    ])
  const { env } = process
  const adminKey = env.GAVEL_API_KEY || `gvl_${randomBytes(32).toString('hex')}`
  const { device, note } = await chooseDevice(options.device)
  if (note) console.error(note)
  const threads = options.threads ? { GAVEL_THREADS: options.threads } : {}
  const engine = {
    threads: options.threads ? Number(options.threads) : undefined,
    device,
    environment: childEnvironment(env),
  }
  const sources = { roots: options.models, hub: hubFromEnv(env) }
  // As for jobs: folders and token are the operator's own.
  const trusted = [OPERATOR_TENANT, ...tenantsIn(env.GAVEL_TRUSTED_TENANTS)]
  const server = await startServer({
    dataDir: options.data,
    host: options.host,
    port: Number(options.port),
    adminKey,
    secretKey: env.GAVEL_SECRET_KEY || keptSecret(options.data),
    // Everything is this user's own, so judges on this machine are the ordinary case.
    allowPrivateUrls: true,
    s3: s3FromEnv(env),
    log: logFromEnv(env, 'errors'),
    localJudge(judge, blobs) {
      const { tenant } = judge
      return localJudgeHost(judge, blobs, {
        ...engine,
        ...sourcesFor({ tenant, trusted: trusted.includes(tenant) }, sources),
      })
    },
  })

  let worker: ChildProcess
  let closing = false
  const startWorker = () => {
    worker = fork(WORKER, {
      env: {
        ...env,
        ...threads,
        GAVEL_DEVICE: device,
        GAVEL_URL: server.url,
        GAVEL_API_KEY: adminKey,
        GAVEL_WORKER_NAME: 'dev',
        GAVEL_MODEL_ROOTS: options.models.join(delimiter),
        GAVEL_WORKSPACE: join(options.data, 'workspace'),
      },
    })
    worker.once('exit', (code, signal) => {
      if (closing) return
      console.error(`the worker ended (${signal ?? `status ${code}`}); starting another`)
      setTimeout(startWorker, RESTART_MS)
    })
  }
  startWorker()

  console.log(`Gavel is ready on ${server.url}`)
  if (!env.GAVEL_API_KEY) console.log(`API key (admin): ${adminKey}`)
  console.log(`API description: ${server.url}/docs`)

  const close = async () => {
    if (closing) return
    closing = true
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.kill('SIGTERM')
    await ended
    await server.close()
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void close())
}
