import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GavelError } from '../../core/errors.ts'
import { ProgressWatch } from '../progress/progress-watch.ts'
import type { FromChild, Protocol, ToChild } from './messages.ts'
import { unpackError } from '../../core/packed-error.ts'

export interface CallProcessOptions<P extends Protocol> {
  script: URL
  /** Makes what the process is to open; `cleanUp` is called when it has ended. */
  prepare: () => Promise<{ order: P['order']; cleanUp?: () => void }>
  /** The error for calls that a dying process leaves behind; `how` says how it ended. */
  died: (how: string) => GavelError
  /** All that the process gets of an environment; by default this one's. */
  environment?: NodeJS.ProcessEnv | undefined
  /** One that gets no further for so long, blocked by a text say, is ended (ProgressWatch); by default none is. */
  stallSeconds?: number | undefined
  /** Without calls for so long, the process is ended and its memory given back. */
  idleMs?: number
}

interface Call<P extends Protocol> {
  onPart: ((part: P['part']) => void) | undefined
  resolve: (result: P['result']) => void
  reject: (error: Error) => void
}

interface Running<P extends Protocol> {
  child: ChildProcess
  calls: Map<number, Call<P>>
  ready: Promise<P['ready']>
}

/**
 * What blocks an event loop, in a process of its own that answers calls (answer-calls.ts). It is started when first
 * needed, and again after it died or could not open: what was wrong may have been mended by then. It keeps this
 * process from ending only while it has calls to answer.
 */
export class CallProcess<P extends Protocol> {
  private readonly options: CallProcessOptions<P>
  private running: Promise<Running<P>> | undefined
  private count = 0

  constructor(options: CallProcessOptions<P>) {
    this.options = options
  }

  /** Resolves when the process is ready; rejects with what kept it from opening. */
  async ready(): Promise<P['ready']> {
    return (await this.start()).ready
  }

  /** Sends a request. Rejects with the answerer's error, with `died`, or with the signal's reason. */
  async call(
    request: P['request'],
    { signal, onPart }: { signal?: AbortSignal | undefined; onPart?: (part: P['part']) => void } = {},
  ): Promise<P['result']> {
    signal?.throwIfAborted()
    const { child, calls } = await this.start()
    const call = ++this.count
    const cancel = () => {
      tell<P>(child, { type: 'cancel', call })
      calls.get(call)?.reject(signal!.reason as Error)
    }
    try {
      return await new Promise<P['result']>((resolve, reject) => {
        calls.set(call, { onPart, resolve, reject })
        hold(child, 'ref')
        signal?.addEventListener('abort', cancel, { once: true })
        tell<P>(child, { type: 'call', call, request })
      })
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  /** Ends the process; calls under way reject. */
  async close(): Promise<void> {
    const running = await this.running?.catch(() => undefined)
    running?.child.kill('SIGKILL')
  }

  private start(): Promise<Running<P>> {
    if (!this.running) {
      const starting = this.fork(() => {
        if (this.running === starting) this.running = undefined
      })
      this.running = starting
      starting.catch(() => (this.running = undefined))
    }
    return this.running
  }

  private async fork(forget: () => void): Promise<Running<P>> {
    const { script, prepare, died, idleMs, stallSeconds, environment: env } = this.options
    const { order, cleanUp } = await prepare()
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    const child = fork(script, { serialization: 'advanced', stdio: [...stdio], ...(env && { env }) })
    const calls = new Map<number, Call<P>>()
    const opened = Promise.withResolvers<P['ready']>()
    let idle: NodeJS.Timeout | undefined
    const watch = stallSeconds === undefined ? null : watchProgress(stallSeconds, (how) => end(died(how)))
    const end = (error: GavelError) => {
      clearTimeout(idle)
      watch?.end()
      forget()
      child.kill('SIGKILL')
      opened.reject(error)
      for (const { reject } of calls.values()) reject(error)
      calls.clear()
    }
    const rest = () => {
      clearTimeout(idle)
      if (calls.size > 0) return
      hold(child, 'unref')
      if (idleMs) idle = setTimeout(() => calls.size === 0 && end(died('was idle')), idleMs).unref()
    }
    const take = (call: number) => {
      const taken = calls.get(call)
      calls.delete(call)
      rest()
      return taken
    }
    const handlers: { [T in FromChild<P>['type']]: (message: Extract<FromChild<P>, { type: T }>) => void } = {
      ready: ({ ready }) => {
        opened.resolve(ready)
        rest()
      },
      refused: ({ error }) => end(unpackError(error)),
      part: ({ call, part }) => calls.get(call)?.onPart?.(part),
      done: ({ call, result }) => take(call)?.resolve(result),
      failed: ({ call, error }) => take(call)?.reject(unpackError(error)),
    }
    child.on('message', (message: FromChild<P>) => (handlers[message.type] as (m: FromChild<P>) => void)(message))
    child.on('error', (error) => end(died(`failed: ${error.message}`)))
    child.on('exit', (code, signal) => {
      end(died(signal ? `was killed by ${signal} (out of memory?)` : `ended with status ${code}`))
      cleanUp?.()
    })
    // Whoever waits for it is told; nobody has to.
    opened.promise.catch(() => {})
    tell<P>(child, { type: 'open', order, progress: watch?.progress ?? null })
    return { child, calls, ready: opened.promise }
  }
}

const LOOK_MS = 500

/** Watches a process by the file that it is to tell its progress in; `stalled` hears how it got stuck. */
function watchProgress(seconds: number, stalled: (how: string) => void): { progress: string; end: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-progress-'))
  const progress = join(folder, 'progress')
  const watch = new ProgressWatch(progress, seconds)
  const timer = setInterval(() => {
    const stall = watch.look(performance.now(), LOOK_MS)
    if (stall) stalled(`got no further for ${stall.seconds} s while it ${stall.at}`)
  }, LOOK_MS).unref()
  const end = () => {
    clearInterval(timer)
    process.off('exit', end)
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', end)
  return { progress, end }
}

function tell<P extends Protocol>(child: ChildProcess, message: ToChild<P>): void {
  // Of a process that is gone, its exit tells.
  if (child.connected) child.send(message)
}

function hold(child: ChildProcess, how: 'ref' | 'unref'): void {
  child[how]()
  child.channel?.[how]()
}
