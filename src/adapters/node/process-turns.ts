import type { Turns } from '../../core/ports.ts'

/** How long requests may hold the event loop before others are heard, in ms. */
const SLICE_MS = 8

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
      begun = performance.now()
      setImmediate(comeRound)
    }
    return begun
  }

  return {
    now: () => performance.now(),
    due: () => performance.now() - begin() >= SLICE_MS,
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
