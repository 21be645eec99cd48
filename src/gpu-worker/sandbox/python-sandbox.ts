import { spawn, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import type { ProgramCall, ProgramOutcome, ProgramRunner } from '../../core/ports.ts'
import type { SandboxCall, SandboxReply } from './sandbox-messages.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
const SCRIPT = fileURLToPath(new URL(`./sandbox-process${import.meta.url.slice(-3)}`, import.meta.url))
/** Starting the interpreter takes a second or two on an idle machine. */
const START_MS = 120_000
/**
 * Processor seconds after which the operating system ends a process, should nobody be left to do so. A process gives way
 * to another well before (WORN_SECONDS of sandbox-process.ts).
 */
const CPU_LIMIT_SECONDS = 90

export interface SandboxOptions {
  /** How many programs run at once. Default: a core fewer than there are, at most 4. */
  processes?: number
  /** The longest a program may take, in ms. Default 10,000. */
  timeoutMs?: number
  /** The most memory of the interpreter, its own 30 included, in MB. Default 256. */
  memoryMegabytes?: number
}

interface Waiting {
  request: string
  resolve(outcome: ProgramOutcome): void
  reject(error: Error): void
}

/** A process with its interpreter, and the call it is at. One that ends is no slot any more. */
interface Slot {
  child: ChildProcess
  ready: boolean
  current: Waiting | null
  timer: NodeJS.Timeout | undefined
}

/**
 * Python in processes of their own (see `sandbox-process.ts`), started when first needed and used again and again. A
 * program that takes too long, or brings its process down, costs that process, and no other program anything.
 */
export class PythonSandbox implements ProgramRunner {
  private readonly waiting: Waiting[] = []
  /** Calls that wait or run, by their request. Each starts from the same memory, so equal ones end alike. */
  private readonly underWay = new Map<string, Promise<ProgramOutcome>>()
  private readonly slots = new Set<Slot>()
  private readonly processes: number
  private readonly timeoutMs: number
  private readonly memoryMegabytes: number
  private calls = 0
  private readonly endAll = () => {
    for (const { child } of this.slots) child.kill('SIGKILL')
  }

  constructor(options: SandboxOptions = {}) {
    this.processes = options.processes ?? Math.min(4, Math.max(1, availableParallelism() - 1))
    this.timeoutMs = options.timeoutMs ?? 10_000
    this.memoryMegabytes = options.memoryMegabytes ?? 256
    process.on('exit', this.endAll)
  }

  /** Equal calls at the same time are one: a student often answers alike, and an answer that hangs costs its limit once. */
  call({ source, entry, args }: ProgramCall): Promise<ProgramOutcome> {
    const request = JSON.stringify({ source, entry, args })
    const same = this.underWay.get(request)
    if (same) return same
    const { promise, resolve, reject } = Promise.withResolvers<ProgramOutcome>()
    this.underWay.set(request, promise)
    const over = () => void this.underWay.delete(request)
    promise.then(over, over)
    this.waiting.push({ request, resolve, reject })
    this.next()
    return promise
  }

  /** Ends every process. Calls that wait or run are `stopped`. */
  close(): void {
    process.off('exit', this.endAll)
    for (const { resolve } of this.waiting.splice(0)) resolve({ outcome: 'stopped', error: 'was not run' })
    this.endAll()
  }

  /** Gives waiting calls to idle processes, and starts more of these where there are too few. */
  private next(): void {
    for (const slot of this.slots) {
      if (slot.ready && slot.current === null && this.waiting.length > 0) this.give(slot, this.waiting.shift()!)
    }
    const starting = [...this.slots].filter(({ ready }) => !ready).length
    for (let i = starting; i < this.waiting.length && this.slots.size < this.processes; i++) this.start()
  }

  private give(slot: Slot, call: Waiting): void {
    slot.current = call
    const late = () => {
      if (slot.current !== call) return
      this.end(slot)
      this.settle(slot, { outcome: 'stopped', error: `took longer than ${this.timeoutMs / 1000} s` })
      this.next()
    }
    // Where something else held this process up, the answer may be here already: it is heard first.
    slot.timer = setTimeout(() => setImmediate(late), this.timeoutMs)
    slot.child.send({ id: ++this.calls, request: call.request } satisfies SandboxCall, (error) => {
      if (error) this.end(slot)
    })
  }

  private end(slot: Slot): void {
    this.slots.delete(slot)
    slot.child.kill('SIGKILL')
  }

  private settle(slot: Slot, outcome: ProgramOutcome): void {
    clearTimeout(slot.timer)
    slot.current?.resolve(outcome)
    slot.current = null
  }

  private start(): void {
    const child = startProcess(this.memoryMegabytes)
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
    // Waiting for a program keeps this process alive by its timer; an idle interpreter does not.
    const slot: Slot = { child, ready: false, current: null, timer: setTimeout(() => this.end(slot), START_MS) }
    child.unref()
    child.channel?.unref()
    ;(child.stderr as unknown as { unref(): void }).unref()
    this.slots.add(slot)
    child.on('message', ({ answer, spent }: SandboxReply) => {
      if (slot.ready) this.settle(slot, readOutcome(answer))
      else clearTimeout(slot.timer)
      slot.ready = true
      if (spent) this.slots.delete(slot)
      this.next()
    })
    child.once('error', (error) => (said = error.message))
    child.once('close', () => {
      clearTimeout(slot.timer)
      this.slots.delete(slot)
      this.settle(slot, { outcome: 'stopped', error: 'brought the interpreter down' })
      if (!slot.ready) this.refuse(said)
      this.next()
    })
  }

  /** No interpreter can be started: whoever waits hears why. */
  private refuse(said: string): void {
    const message = `The Python interpreter did not start. ${said.trim().split('\n').slice(-8).join('\n')}`
    for (const { reject } of this.waiting.splice(0)) reject(new GavelError('sandbox_unavailable', message))
  }
}

const outcome = v.variant('outcome', [
  v.object({
    outcome: v.literal('returned'),
    text: v.nullable(v.string()),
    number: v.nullable(v.pipe(v.number(), v.finite())),
    output: v.string(),
  }),
  v.object({ outcome: v.literal('raised'), error: v.string(), output: v.string() }),
])

/** What the interpreter says. A program may have meddled with what writes it, so that it can be anything. */
function readOutcome(answer: string): ProgramOutcome {
  const meddled: ProgramOutcome = { outcome: 'stopped', error: 'broke what reports its result' }
  try {
    const read = v.safeParse(outcome, JSON.parse(answer))
    return read.success ? read.output : meddled
  } catch {
    return meddled
  }
}

/** A process that may read the interpreter's files and these, with a limit to its processor time, and no environment. */
function startProcess(memoryMegabytes: number): ChildProcess {
  const pyodide = import.meta.resolve('pyodide')
  const readable = [dirname(fileURLToPath(pyodide)), HERE]
  const flags = [
    '--permission',
    ...readable.map((folder) => `--allow-fs-read=${folder}`),
    '--disallow-code-generation-from-strings',
    '--max-old-space-size=256',
    '--no-warnings',
  ]
  const command = [process.execPath, ...flags, SCRIPT, pyodide, String(memoryMegabytes)]
  const limited = ['/bin/sh', '-c', `ulimit -t ${CPU_LIMIT_SECONDS}; exec "$0" "$@"`, ...command]
  const [program, ...args] = process.platform === 'win32' ? command : limited
  return spawn(program!, args, { env: {}, cwd: HERE, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
}
