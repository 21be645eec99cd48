/** An installation as an operator has it, of processes that can be killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, type Client } from '../../src/client.ts'
import { freePort } from '../helpers/free-port.ts'

/** `dev`: everything in one tree; `split`: an API and a worker; `fleet`: an API and three workers. */
export const LAYOUTS = { dev: 0, split: 1, fleet: 3 } as const
export type Layout = keyof typeof LAYOUTS
export const TARGETS = ['api', 'worker', 'job', 'all'] as const
export type Target = (typeof TARGETS)[number]

const KEY = 'gvl_key-of-the-operator-of-this-chaos'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MODELS = join(ROOT, 'demo/models')

export interface InstallationOptions {
  env?: Record<string, string>
  /** Of the API alone. */
  serverEnv?: Record<string, string>
  /** Of the API; a free one unless given. */
  port?: number
  /** Where database and objects lie; by default in a folder of its own. */
  data?: string
  /** Where its workers reach the API, if not directly. */
  workersAt?: string
}

interface Running {
  child: ChildProcess
  start(): ChildProcess
}

export class Installation {
  readonly url: string
  /** The operator's. */
  readonly key = KEY
  readonly api: Client
  readonly folder: string
  private readonly port: number
  private readonly layout: Layout
  private readonly server: Running
  private readonly workers: Running[] = []
  private closed = false

  private constructor(layout: Layout, port: number, { env = {}, serverEnv, data, workersAt }: InstallationOptions) {
    this.layout = layout
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.api = createClient({ url: this.url, key: KEY })
    this.folder = mkdtempSync(join(tmpdir(), 'gavel-chaos-'))
    data ??= join(this.folder, 'data')
    const common = {
      GAVEL_API_KEY: KEY,
      GAVEL_SECRET_KEY: 'a passphrase for chaos, which is quite long',
      GAVEL_THREADS: '1',
      GAVEL_MODEL_ROOTS: MODELS,
      ...env,
    }
    const node =
      (name: string, args: string[], own: Record<string, string> = {}) =>
      () =>
        this.spawn(name, args, { ...common, ...own })
    if (layout === 'dev') {
      const args = ['bin/gavel.js', 'dev', '--port', `${port}`, '--data', data, '--models', MODELS, '--threads', '1']
      this.server = this.running(node('dev', args))
      return
    }
    this.server = this.running(
      node('api', ['src/server.ts'], {
        GAVEL_PORT: `${port}`,
        GAVEL_DATA: data,
        GAVEL_ALLOW_PRIVATE_URLS: '1',
        ...serverEnv,
      }),
    )
    for (let i = 0; i < LAYOUTS[layout]; i++) {
      const own = {
        GAVEL_URL: workersAt ?? this.url,
        GAVEL_WORKER_NAME: `w${i}`,
        GAVEL_WORKSPACE: join(this.folder, 'workspace'),
      }
      this.workers.push(this.running(node(`w${i}`, ['src/gpu-worker/main.ts'], own)))
    }
  }

  static async start(layout: Layout, options: InstallationOptions = {}): Promise<Installation> {
    const made = new Installation(layout, options.port ?? (await freePort()), options)
    await made.isUp()
    return made
  }

  /** Kills it as power loss or a kernel would, and starts again what an operator's service manager starts again. */
  async kill(target: Target, pick: number): Promise<boolean> {
    const worker = this.workers[pick % Math.max(1, this.workers.length)]
    const kills: Record<Target, () => boolean> = {
      api: () => this.killGroup(this.server),
      worker: () => (worker ? this.killGroup(worker) : this.killOf(this.server, 1)),
      job: () => (worker ? this.killOf(worker, 1) : this.killOf(this.server, 2)),
      all: () => [this.server, ...this.workers].map((one) => this.killGroup(one)).some(Boolean),
    }
    const killed = kills[target]()
    if (target === 'api' || target === 'all') await this.isUp()
    return killed
  }

  /** Stops a worker and its job in their tracks, as when its machine sleeps, and lets them go on after a while. */
  async freeze(pick: number, ms: number): Promise<boolean> {
    const { child } = this.workers[pick % Math.max(1, this.workers.length)] ?? this.server
    if (!signalGroup(child, 'SIGSTOP')) return false
    await new Promise((resolve) => setTimeout(resolve, ms))
    signalGroup(child, 'SIGCONT')
    return true
  }

  /** The resident memory of the API, in bytes. */
  memory(): number {
    const status = readFileSync(`/proc/${this.server.child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
  }

  async close(): Promise<void> {
    this.closed = true
    const all = [this.server, ...this.workers].map(({ child }) => child)
    const ended = all.map(async (child) => {
      if ((child.exitCode ?? child.signalCode) === null) await new Promise((resolve) => child.once('exit', resolve))
    })
    for (const child of all) signalGroup(child, 'SIGKILL')
    await Promise.all(ended)
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Waits until the API answers. */
  async isUp(): Promise<void> {
    for (let i = 0; i < 1200; i++) {
      const up = await fetch(`${this.url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (up) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`the API of ${this.layout} on port ${this.port} does not answer; see ${this.folder}`)
  }

  private spawn(name: string, args: string[], env: Record<string, string>): ChildProcess {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: 'a' })
    child.stdout!.pipe(log, { end: false })
    child.stderr!.pipe(log, { end: false })
    return child
  }

  private running(start: () => ChildProcess): Running {
    const one: Running = { start, child: start() }
    const watch = () =>
      one.child.once('exit', () => {
        if (this.closed) return
        one.child = one.start()
        watch()
      })
    watch()
    return one
  }

  private killGroup({ child }: Running): boolean {
    return signalGroup(child, 'SIGKILL')
  }

  /** Kills a descendant: `depth` 1 is a child. False where there is none. */
  private killOf({ child }: Running, depth: number): boolean {
    let pid: number | undefined = child.pid
    for (let i = 0; i < depth && pid; i++) pid = childrenOf(pid)[0]
    if (!pid) return false
    try {
      return process.kill(pid, 'SIGKILL')
    } catch {
      return false
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid!, signal)
  } catch {
    return false
  }
}
