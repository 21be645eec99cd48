/** A real API and real workers: the processes that an operator would run. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, type Client } from '../../src/client.ts'
import { startServer, type RunningServer, type ServerOptions } from '../../src/server.ts'

const KEY = 'gvl_key-of-the-operator'
const WORKER = fileURLToPath(new URL('../../src/gpu-worker/main.ts', import.meta.url))
const MODELS = fileURLToPath(new URL('../../demo/models', import.meta.url))
/** Numbers depend on how many threads add them up, so all workers have as many. */
const THREADS = '1'

export interface WorkerProcess {
  /** What it has printed so far. */
  log(): string
  /** Signals the worker alone. */
  signal(signal: NodeJS.Signals): void
  /** Signals the worker and the process of its job, as when its machine sleeps or loses power. */
  signalAll(signal: NodeJS.Signals): void
  /** The process of the job under way. */
  jobProcess(): number
  /** Command lines of the worker and everything that it has started. */
  processes(): string[]
  /** Its exit status; null where a signal ended it. */
  ended: Promise<number | null>
}

export interface Service {
  url: string
  api: Client
  /** An empty folder, for files of the test. */
  folder: string
  /** Where the server keeps its objects, unless in a bucket. */
  objects: string
  startWorker(env?: Record<string, string>): WorkerProcess
  close(): Promise<void>
}

/** A server with nothing in it; workers are started by the test, and ended with it. */
export async function startService(options: Partial<ServerOptions> = {}): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-e2e-'))
  const dataDir = options.dataDir ?? join(folder, 'server')
  const server: RunningServer = await startServer({
    adminKey: KEY,
    secretKey: 'a passphrase for the tests, quite long',
    allowPrivateUrls: true,
    ...options,
    dataDir,
  })
  const workers: WorkerProcess[] = []
  return {
    url: server.url,
    api: createClient({ url: server.url, key: KEY }),
    folder,
    objects: join(dataDir, 'objects'),
    startWorker(env = {}) {
      const worker = startWorker({
        GAVEL_URL: server.url,
        GAVEL_API_KEY: KEY,
        GAVEL_WORKSPACE: join(folder, 'workspace'),
        ...env,
      })
      workers.push(worker)
      return worker
    },
    async close() {
      for (const worker of workers) worker.signalAll('SIGKILL')
      await Promise.all(workers.map((worker) => worker.ended))
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A process group of its own, which a signal reaches as a whole. The channel ends it should the test be killed. */
function startWorker(env: Record<string, string>): WorkerProcess {
  const child: ChildProcess = spawn(process.execPath, [WORKER], {
    env: { ...process.env, GAVEL_THREADS: THREADS, GAVEL_MODEL_ROOTS: MODELS, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  })
  let log = ''
  child.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const pid = child.pid!
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const signalAll = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  return {
    log: () => log,
    signal: (signal) => void child.kill(signal),
    signalAll,
    jobProcess() {
      const [first = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
      return Number(first)
    },
    processes: () => commandLines(pid),
    ended,
  }
}

/** Of all processes of a group. */
function commandLines(group: number): string[] {
  const groupOf = (stat: string) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const belongs = groupOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) === group
      return belongs ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
    } catch {
      return [] // It has ended meanwhile.
    }
  })
}
