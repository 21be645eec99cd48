/** Peak memory of the processes that run jobs, as Linux counts it. */
import { readdirSync, readFileSync } from 'node:fs'

const EVERY_MS = 500

/**
 * Watches the job processes of a worker on this machine. `stop` answers the largest resident set that one had since
 * the start (`VmHWM`), in bytes; null where none was seen, such as with a worker elsewhere.
 */
export function watchPeakMemory(): { stop: () => number | null } {
  let peak: number | null = null
  const timer = setInterval(() => {
    for (const bytes of jobProcesses()) peak = Math.max(peak ?? 0, bytes)
  }, EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      return peak
    },
  }
}

function jobProcesses(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      if (!/\/job-process\.[jt]s\0/.test(readFileSync(`/proc/${name}/cmdline`, 'utf8'))) return []
      const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]
      return kilobytes === undefined ? [] : [Number(kilobytes) * 1024]
    } catch {
      return [] // It has just ended.
    }
  })
}
