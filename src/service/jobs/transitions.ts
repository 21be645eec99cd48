/** The state machine of jobs: what each request or mishap makes of a job. Pure; SQL compares and swaps the outcome. */
import { GavelError } from '../../core/errors.ts'
import type { Job, JobError, JobState } from '../../core/schemas/job.ts'
import type { JobPatch, JobRow } from '../database.ts'

/** How long a claim lasts without a heartbeat, in seconds. Workers beat every third of it. */
export const LEASE_SECONDS = 60
/** No lease and no wait before another try ends farther away than this, in ms; what says so is of a clock that ran ahead. */
export const FARTHEST_MS = 2 * LEASE_SECONDS * 1000
/** How often a job is begun without getting on (a checkpoint) before it is given up. */
export const MAX_TRIES = 5

export const TRANSITIONS = {
  queued: ['running', 'paused', 'cancelled'],
  running: ['queued', 'paused', 'succeeded', 'failed', 'cancelled'],
  paused: ['queued', 'cancelled'],
  failed: ['queued'],
  succeeded: [],
  cancelled: [],
} as const satisfies Record<JobState, readonly JobState[]>

export const isTerminal = (state: JobState) => state === 'succeeded' || state === 'failed' || state === 'cancelled'

/** A change of a job: what to write, or null when there is nothing to do. */
export type Change = (job: JobRow, now: number) => JobPatch | null

/** @throws GavelError `conflict` unless the table allows it */
function to(job: JobRow, state: JobState, wanted: string, patch: JobPatch = {}): JobPatch {
  const allowed: readonly JobState[] = TRANSITIONS[job.state]
  if (!allowed.includes(state)) {
    throw new GavelError('conflict', `Job ${job.id} is ${job.state} and cannot be ${wanted}.`)
  }
  return { state, ...patch }
}

/** At once, or through the worker where one has it. */
export const cancel: Change = (job, now) => {
  if (job.state === 'cancelled') return null
  if (job.state === 'running') return job.cancelRequested ? null : { cancelRequested: true }
  return to(job, 'cancelled', 'cancelled', { finishedAt: now, pauseRequested: false })
}

export const pause: Change = (job) => {
  if (job.state === 'paused') return null
  if (job.state === 'running') return job.pauseRequested ? null : { pauseRequested: true }
  return to(job, 'paused', 'paused')
}

/** A paused or failed job goes on from its last checkpoint; a pause not yet taken is called off. */
export const resume: Change = (job) => {
  if (job.state === 'queued') return null
  if (job.state === 'running') return job.pauseRequested ? { pauseRequested: false } : null
  return to(job, 'queued', 'resumed', { tries: 0, notBefore: 0, error: null, finishedAt: null, pauseRequested: false })
}

/** The worker is done. */
export const complete =
  (result: Job['result']): Change =>
  (job, now) =>
    to(job, 'succeeded', 'completed', {
      result,
      error: null,
      finishedAt: now,
      cancelRequested: false,
      pauseRequested: false,
    })

/** The worker gives the job back: it was told to pause or cancel, or shuts down itself. */
export const release: Change = (job, now) => {
  const error = null
  if (job.cancelRequested) return to(job, 'cancelled', 'cancelled', { error, finishedAt: now, cancelRequested: false })
  if (job.pauseRequested) return to(job, 'paused', 'paused', { error, pauseRequested: false, tries: 0 })
  return to(job, 'queued', 'released', { error, notBefore: now, tries: Math.max(0, job.tries - 1) })
}

/** The worker met an error. A retryable one puts the job back, after a wait of 5 s that doubles each time. */
export const fail =
  (error: JobError, retryable: boolean): Change =>
  (job, now) => {
    if (job.cancelRequested) return release(job, now)
    if (retryable && job.tries < MAX_TRIES) {
      if (job.pauseRequested) return to(job, 'paused', 'paused', { pauseRequested: false, error })
      const wait = 5_000 * 2 ** (job.tries - 1)
      return to(job, 'queued', 'queued', { error, notBefore: now + wait })
    }
    return to(job, 'failed', 'failed', { error, finishedAt: now, pauseRequested: false })
  }

/** The worker has fallen silent. Null: the job may simply be claimed again. */
export const expire: Change = (job, now) => {
  const holds = job.leaseExpiresAt >= now && job.leaseExpiresAt <= now + FARTHEST_MS
  if (job.state !== 'running' || holds) return null
  if (job.cancelRequested || job.pauseRequested) return release(job, now)
  if (job.tries < MAX_TRIES) return null
  const what = job.error
    ? `Its worker fell silent at the last of ${job.tries} tries, none of which committed a checkpoint; one before ended with: ${job.error.message.slice(0, 3000)}`
    : `Its worker fell silent ${job.tries} times in a row without committing a checkpoint.`
  const message = `${what} Look at the worker's log and memory, then resume the job.`
  return to(job, 'failed', 'failed', { error: { code: 'worker_lost', message }, finishedAt: now })
}
