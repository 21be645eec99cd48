import { availableParallelism } from 'node:os'
import type { ChildProcess } from 'node:child_process'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import type { ProgramAsker, ProgramCall, ProgramHost, ProgramOutcome, ProgramRunner } from '../../core/ports.ts'
import { FairQueue, type Queued } from './fair-queue.ts'
import type { SandboxOrder, SandboxReply } from './sandbox-messages.ts'
import { startProcess } from './start-process.ts'

/** Starting the interpreter takes a second or two on an idle machine. */
const START_MS = 120_000
/** How long a process has to stop a program, before it is ended itself. */
const STOP_MS = 20_000

export interface SandboxOptions {
  /**
   * How many programs run at once. A tenant's are one fewer, where there are two or more: what one tenant runs keeps no
   * other waiting. Default: as many as there are cores, at least 2, at most 5.
   */
  processes?: number
  /** The longest a program may take, in ms. Default 10,000. */
  timeoutMs?: number
  /** The most memory of the interpreter, its own 30 included, in MB. Default 256. */
  memoryMegabytes?: number
  /** How many programs may wait, of a request and of a tenant. Default: any number. */
  mostWaiting?: { request: number; tenant: number }
}

/** What a caller is told. */
interface Listener {
  request: object
  resolve(outcome: ProgramOutcome): void
  reject(error: unknown): void
}

/** A call that waits or runs, and all who asked for it. */
interface Run extends Queued {
  /** Tenant and call, by which equal ones are found. */
  key: string
  text: string
  listeners: Set<Listener>
}

/** A process, and the call it is at. One that ends is no slot any more. */
interface Slot {
  child: ChildProcess
  ready: boolean
  current: { run: Run; id: number } | null
  timer: NodeJS.Timeout | undefined
}

/**
 * Python in processes of their own (see `sandbox-process.ts`), started when first needed. Each program has an interpreter
 * of its own there. One that takes too long, or brings its interpreter down, costs its tenant that time, and no other
 * program anything.
 */
export class PythonSandbox implements ProgramHost {
  private readonly queue = new FairQueue<Run>()
  private readonly underWay = new Map<string, Run>()
  private readonly slots = new Set<Slot>()
  private readonly processes: number
  private readonly timeoutMs: number
  private readonly memoryMegabytes: number
  private readonly mostWaiting: { request: number; tenant: number }
  private calls = 0
  private readonly endAll = () => {
    for (const { child } of this.slots) child.kill('SIGKILL')
  }

  constructor(options: SandboxOptions = {}) {
    this.processes = options.processes ?? Math.min(5, Math.max(2, availableParallelism()))
    this.timeoutMs = options.timeoutMs ?? 10_000
    this.memoryMegabytes = options.memoryMegabytes ?? 256
    this.mostWaiting = options.mostWaiting ?? { request: Infinity, tenant: Infinity }
    process.on('exit', this.endAll)
  }

  /** Programs of one request. Equal calls of a tenant at the same time are one: a student often answers alike. */
  runnerFor({ tenant, signal }: ProgramAsker): ProgramRunner {
    const request = {}
    return { call: (call) => this.call(tenant, request, call, signal) }
  }

  /** Ends every process. Calls that wait or run are `stopped`. */
  close(): void {
    process.off('exit', this.endAll)
    for (const run of this.queue.clear()) this.settle(run, { outcome: 'stopped', error: 'was not run' })
    this.endAll()
  }

  private async call(
    tenant: string,
    request: object,
    { source, entry, args }: ProgramCall,
    signal: AbortSignal | undefined,
  ): Promise<ProgramOutcome> {
    signal?.throwIfAborted()
    const text = JSON.stringify({ source, entry, args })
    const key = JSON.stringify([tenant, text])
    let run = this.underWay.get(key)
    if (!run) {
      this.refuseTooMany(tenant, request)
      run = { key, tenant, request, text, listeners: new Set() }
      this.underWay.set(key, run)
      this.queue.add(run)
    }
    const { promise, resolve, reject } = Promise.withResolvers<ProgramOutcome>()
    const listener = { request, resolve, reject }
    run.listeners.add(listener)
    const leave = () => {
      run.listeners.delete(listener)
      reject(signal!.reason)
      if (run.listeners.size === 0) this.abandon(run)
    }
    signal?.addEventListener('abort', leave, { once: true })
    this.next()
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  /** @throws GavelError `rate_limited` where a request or a tenant has as many programs waiting as may */
  private refuseTooMany(tenant: string, request: object): void {
    const most = this.mostWaiting
    if (this.queue.waiting(tenant, request) >= most.request) {
      const message = `This request has more programs to run than may wait (${most.request}); send fewer items at once.`
      throw new GavelError('rate_limited', message)
    }
    if (this.queue.waiting(tenant) >= most.tenant) {
      const message = `Your requests have as many programs waiting as may (${most.tenant}); send this again when some have run.`
      throw new GavelError('rate_limited', message, { retryAfter: 10 })
    }
  }

  /** Nobody wants it any more. */
  private abandon(run: Run): void {
    this.queue.remove(run)
    this.forget(run)
    const slot = [...this.slots].find(({ current }) => current?.run === run)
    if (slot) this.stop(slot)
  }

  /** Gives waiting calls to idle processes, and starts more of these where there are too few. */
  private next(): void {
    const share = Math.max(1, this.processes - 1)
    for (const slot of this.slots) {
      if (!slot.ready || slot.current) continue
      const run = this.queue.take(this.countByTenant(), share)
      if (!run) return
      this.give(slot, run)
    }
    const starting = [...this.slots].filter(({ ready }) => !ready).length
    const lacking = this.queue.ready(this.countByTenant(), share) - starting
    for (let i = 0; i < lacking && this.slots.size < this.processes; i++) this.start()
  }

  private countByTenant(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { current } of this.slots) {
      if (current) counts.set(current.run.tenant, (counts.get(current.run.tenant) ?? 0) + 1)
    }
    return counts
  }

  private give(slot: Slot, run: Run): void {
    const id = ++this.calls
    slot.current = { run, id }
    const late = () => {
      if (slot.current?.id !== id) return
      this.settle(run, { outcome: 'stopped', error: `took longer than ${this.timeoutMs / 1000} s` })
      this.stop(slot)
    }
    // Where something else held this process up, the answer may be here already: it is heard first.
    slot.timer = setTimeout(() => setImmediate(late), this.timeoutMs)
    this.order(slot, { id, request: run.text })
  }

  /** The process is free when it has answered to that. */
  private stop(slot: Slot): void {
    clearTimeout(slot.timer)
    slot.timer = setTimeout(() => slot.child.kill('SIGKILL'), STOP_MS)
    this.order(slot, { id: slot.current!.id, request: null })
  }

  private order(slot: Slot, order: SandboxOrder): void {
    slot.child.send(order, (error) => {
      if (error) slot.child.kill('SIGKILL')
    })
  }

  private settle(run: Run, outcome: ProgramOutcome): void {
    this.forget(run)
    for (const { resolve } of run.listeners) resolve(outcome)
  }

  private forget(run: Run): void {
    if (this.underWay.get(run.key) === run) this.underWay.delete(run.key)
  }

  private start(): void {
    const child = startProcess(this.memoryMegabytes)
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
    // Waiting for a program keeps this process alive by its timer; an idle interpreter does not.
    const slow = setTimeout(() => child.kill('SIGKILL'), START_MS)
    const slot: Slot = { child, ready: false, current: null, timer: slow }
    child.unref()
    child.channel?.unref()
    ;(child.stderr as unknown as { unref(): void }).unref()
    this.slots.add(slot)
    child.on('message', (reply: SandboxReply) => this.hear(slot, reply))
    child.once('error', (error) => (said = error.message))
    child.once('close', () => {
      clearTimeout(slot.timer)
      this.slots.delete(slot)
      if (slot.current) this.settle(slot.current.run, DOWN)
      if (!slot.ready) this.refuse(said)
      this.next()
    })
  }

  private hear(slot: Slot, { id, answer, down }: SandboxReply): void {
    // Whoever answers what was not asked is not to be trusted with the next program.
    if (id !== (slot.current?.id ?? 0) || (id === 0 && slot.ready)) return void slot.child.kill('SIGKILL')
    clearTimeout(slot.timer)
    slot.ready = true
    if (slot.current) this.settle(slot.current.run, down ? DOWN : readOutcome(answer))
    slot.current = null
    this.next()
  }

  /** No interpreter can be started: whoever waits hears why. */
  private refuse(said: string): void {
    const message = `The Python interpreter did not start. ${said.trim().split('\n').slice(-8).join('\n')}`
    for (const run of this.queue.clear()) {
      this.forget(run)
      for (const { reject } of run.listeners) reject(new GavelError('sandbox_unavailable', message))
    }
  }
}

const DOWN: ProgramOutcome = { outcome: 'stopped', error: 'brought the interpreter down' }

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
function readOutcome(answer: string | null): ProgramOutcome {
  const meddled: ProgramOutcome = { outcome: 'stopped', error: 'broke what reports its result' }
  try {
    const read = v.safeParse(outcome, JSON.parse(answer ?? ''))
    return read.success ? read.output : meddled
  } catch {
    return meddled
  }
}
