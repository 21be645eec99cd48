import { readFileSync, writeFileSync } from 'node:fs'
import { ProgressWatch } from '../progress/progress-watch.ts'
import type { Ending } from './job-messages.ts'

/** What a worker lets the process of a job have. */
export interface ProcessLimits {
  /** How long it may get no further at its rows and texts; a run of the engine or a checkpoint may take 12 times as long. */
  stallSeconds: number
  /** Most bytes in memory. */
  memoryBytes: number
  /** How long a process that was told to stop may not answer, in seconds. */
  graceSeconds: number
}

const LOOK_MS = 500
/** Above what a worker and an API have (0): where memory runs out, the system ends the process of the job. */
const OOM_SCORE = '700'

/**
 * Looks after the process of a job from outside: one that does not get on, or takes too much memory, cannot say so itself.
 * @param end is told how the job is to end; the caller ends the process
 * @returns ends the watch
 */
export function watchProcess(
  { pid, progress, stop }: { pid: number; progress: string; stop: AbortSignal },
  { stallSeconds, memoryBytes, graceSeconds }: ProcessLimits,
  end: (ending: Ending) => void,
): () => void {
  markForKernel(pid)
  const watch = new ProgressWatch(progress, stallSeconds)
  const timer = setInterval(() => {
    const held = residentBytes(pid)
    if (held !== null && held > memoryBytes) return end(tooLarge(held, memoryBytes))
    const patience = stop.aborted ? Math.min(graceSeconds, stallSeconds) : stallSeconds
    const stall = watch.look(performance.now(), LOOK_MS, patience * 1000)
    if (stall) end(stop.aborted ? { type: 'stopped', unanswered: stall } : stalled(stall))
  }, LOOK_MS)
  return () => clearInterval(timer)
}

const stalled = ({ at, seconds }: { at: string; seconds: number }): Ending => ({
  type: 'failed',
  retryable: false,
  error: {
    code: 'no_progress',
    message:
      `The job was ended: it got no further for ${seconds} s while it ${at}. Most often that is a text, a tokenizer or a chat ` +
      'template that takes for ever: look at that row and at the model. If it is only slow, set GAVEL_STALL_SECONDS of the worker higher; then resume the job.',
  },
})

const tooLarge = (held: number, allowed: number): Ending => ({
  type: 'failed',
  retryable: false,
  error: {
    code: 'out_of_memory',
    message:
      `The job was ended: its process held ${(held / 1e6).toFixed(0)} MB, and this worker lets a job have ${(allowed / 1e6).toFixed(0)} MB (GAVEL_JOB_MEMORY_MB). ` +
      'Give it a smaller `memory_budget_mb`, a smaller model or shorter rows, or a larger worker; then resume the job.',
  },
})

/** Bytes that a process holds in memory, where the system says (Linux); else null. */
function residentBytes(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? null : Number(kilobytes) * 1024
  } catch {
    return null
  }
}

function markForKernel(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE)
  } catch {
    // Not Linux, or not allowed here: the watch is all there is.
  }
}
