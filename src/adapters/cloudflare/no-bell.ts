import type { JobBell } from '../../core/ports.ts'

/** The longest until whoever waits looks again, in ms. */
const LOOK_MS = 1000

/** Where no two requests share a process there is nothing to hear: who waits, looks again after a while. */
export const noBell: JobBell = {
  ring() {},
  listen: () => ({
    next: (timeoutMs) => new Promise((resolve) => setTimeout(resolve, Math.min(timeoutMs, LOOK_MS))),
    close() {},
  }),
}
