/** A copy of the repository in a temporary folder, to change sources in and to run tests in. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')
const REPORTER = join(import.meta.dirname, 'bail-reporter.ts')

export interface TestRun {
  outcome: 'passed' | 'failed' | 'late'
  seconds: number
}

const open = new Set<Tree>()
process.on('exit', () => open.forEach((tree) => tree.close()))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

export class Tree {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'gavel-mutants-')))
  #running: ChildProcess | null = null

  constructor() {
    open.add(this)
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
    for (const file of listed.toString().split('\0')) {
      if (file === '' || file === 'node_modules' || !existsSync(join(ROOT, file))) continue
      mkdirSync(dirname(join(this.folder, file)), { recursive: true })
      cpSync(join(ROOT, file), join(this.folder, file), { verbatimSymlinks: true })
    }
    symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(this.folder, 'node_modules'))
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text)
  }

  /**
   * Runs one test file until it ends, a test of it fails or the time is up. Without `node --test`, which would start a
   * process more for each file; and with Node's compile cache, which halves the time to load what did not change.
   */
  run(test: string, limitSeconds: number, env: Record<string, string> = {}): Promise<TestRun> {
    const began = performance.now()
    const child = spawn(process.execPath, [`--test-reporter=${REPORTER}`, test], {
      cwd: this.folder,
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.folder, '.cache/compiled'), ...env },
      stdio: 'ignore',
      detached: true,
    })
    this.#running = child
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#kill()
    }, limitSeconds * 1000)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code) => {
        clearTimeout(timer)
        // What the test started may outlive it.
        this.#kill()
        this.#running = null
        const outcome = late ? 'late' : code === 0 ? 'passed' : 'failed'
        resolve({ outcome, seconds: (performance.now() - began) / 1000 })
      })
    })
  }

  #kill(): void {
    try {
      if (this.#running?.pid !== undefined) process.kill(-this.#running.pid, 'SIGKILL')
    } catch {
      // The whole group has ended.
    }
  }

  close(): void {
    this.#kill()
    open.delete(this)
    rmSync(this.folder, { recursive: true, force: true })
  }
}
