import { Worker } from 'node:worker_threads'
import { GavelError } from '../../core/errors.ts'
import { unpackError } from '../../core/packed-error.ts'
import type { Checks } from '../../core/rewards/checks.ts'
import type { CheckAnswer, CheckRequest } from './check-messages.ts'

const SCRIPT = new URL(`./check-thread-main${import.meta.url.slice(-3)}`, import.meta.url)
/** A thread that says nothing for so long hangs, in ms: what one text takes is far below. */
const SILENCE_MS = 30_000
/** The most memory of the thread, in MB. */
const MEMORY_MB = 1024
const RETRY_S = 5

interface Waiting {
  resolve(answer: CheckAnswer): void
  reject(error: unknown): void
}
type Unsent<R> = R extends unknown ? Omit<R, 'id'> : never

/** Verifies in a thread of its own, which is started when it is first needed, and anew where it hangs or dies. */
export function checkThread(): Checks & { close(): Promise<void> } {
  let thread: { worker: Worker; waiting: Map<number, Waiting>; heard: number; watch: NodeJS.Timeout } | null = null
  let next = 0

  function started() {
    if (thread) return thread
    const worker = new Worker(SCRIPT, { resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } })
    worker.unref()
    const own = {
      worker,
      waiting: new Map<number, Waiting>(),
      heard: performance.now(),
      watch: setInterval(() => {
        if (own.waiting.size > 0 && performance.now() - own.heard > SILENCE_MS) end()
      }, 1000).unref(),
    }
    const end = () => {
      clearInterval(own.watch)
      if (thread === own) thread = null
      const message = 'What verifies was stopped: a request took too much time or memory. Send this one again.'
      for (const { reject } of own.waiting.values()) reject(new GavelError('busy', message, { retryAfter: RETRY_S }))
      own.waiting.clear()
      void worker.terminate()
    }
    worker.on('message', (answer: CheckAnswer | null) => {
      own.heard = performance.now()
      if (!answer) return
      own.waiting.get(answer.id)?.resolve(answer)
      own.waiting.delete(answer.id)
    })
    worker.on('error', end)
    worker.on('exit', end)
    return (thread = own)
  }

  async function ask(
    request: Unsent<CheckRequest>,
  ): Promise<Exclude<CheckAnswer, { error: unknown } | { failure: unknown }>> {
    const { worker, waiting } = started()
    const id = next++
    const answer = await new Promise<CheckAnswer>((resolve, reject) => {
      if (waiting.size === 0 && thread) thread.heard = performance.now()
      waiting.set(id, { resolve, reject })
      worker.postMessage({ ...request, id })
    })
    if ('error' in answer) throw unpackError(answer.error)
    if ('failure' in answer) throw answer.failure
    return answer
  }

  return {
    async assess(recipe, items, whose) {
      const answer = await ask({ kind: 'assess', recipe, items, whose })
      if (!('rows' in answer)) throw new Error('the thread gave another answer')
      return answer.rows.map((row) => ({ ...row, invalid: row.invalid && unpackError(row.invalid) }))
    },
    async verify(spec, items, whose) {
      const answer = await ask({ kind: 'verify', spec, items, whose })
      if (!('verdicts' in answer)) throw new Error('the thread gave another answer')
      return answer.verdicts
    },
    async similarity(metric, input, reference, whose) {
      const answer = await ask({ kind: 'similarity', metric, input, reference, whose })
      if (!('similarity' in answer)) throw new Error('the thread gave another answer')
      return answer.similarity
    },
    async close() {
      await thread?.worker.terminate()
    },
  }
}
