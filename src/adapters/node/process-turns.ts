import type { Turns } from '../../core/ports.ts'

/** How long requests may hold the event loop before others are heard, in ms. */
const SLICE_MS = 8

const now = () => 1000 * process.uptime()

/** By this thread's own processor time where Node tells it (since 23.9): what other processes take is not the request's. */
function worked(): number {
  const used = (process as { threadCpuUsage?(): NodeJS.CpuUsage }).threadCpuUsage?.()
  return used ? (used.user + used.system) / 1000 : now()
}

/**
 * Turns of this process: one caller goes on each time the event loop has come round, so that between any two of them
 * whatever else has come in is served. Names take turns, and the callers of a name in the order they came.
 */
export function processTurns(): Turns {
  const waiting = new Map<string, (() => void)[]>()
  /** When work began in this round of the loop; null while none was done. */
  let begun: number | null = null

  function comeRound() {
    begun = null
    const [first] = waiting
    if (!first) return
    const [whose, callers] = first
    waiting.delete(whose)
    const go = callers.shift()!
    // To the end of the line.
    if (callers.length > 0) waiting.set(whose, callers)
    begin()
    go()
  }
  function begin(): number {
    if (begun === null) {
      begun = now()
      setImmediate(comeRound)
    }
    return begun
  }

  return {
    now,
    worked,
    due: () => now() - begin() >= SLICE_MS,
    next(whose) {
      begin()
      return new Promise((resolve) => {
        const callers = waiting.get(whose) ?? []
        callers.push(() => resolve(0))
        waiting.set(whose, callers)
      })
    },
  }
}
