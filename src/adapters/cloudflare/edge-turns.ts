import type { Turns } from '../../core/ports.ts'

/** Pieces of work after which the clock is looked at. */
const PIECES = 16

/**
 * Turns of one request at the edge, where clocks stand still until something comes in from outside: after some pieces of
 * work a timer lets others of the isolate go on, and tells how long it was.
 */
export function edgeTurns(): Turns {
  let pieces = 0
  return {
    now: () => Date.now(),
    worked: () => Date.now(),
    due: () => ++pieces % PIECES === 0,
    async next() {
      const from = Date.now()
      await new Promise((resolve) => setTimeout(resolve, 0))
      return Date.now() - from
    },
  }
}
