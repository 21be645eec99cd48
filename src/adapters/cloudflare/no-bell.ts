import type { JobBell } from '../../core/ports.ts'

/** Where no two requests share a process there is nothing to ring: who waits, looks again after the time. */
export const noBell: JobBell = {
  ring() {},
  wait: (timeoutMs) => new Promise((resolve) => setTimeout(resolve, timeoutMs)),
}
