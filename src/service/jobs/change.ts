import { GavelError } from '../../core/errors.ts'
import { CLAIMABLE, type JobBell } from '../../core/ports.ts'
import type { JobState } from '../../core/schemas/job.ts'
import type { JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { expire, MAX_TRIES, type Change } from './transitions.ts'

type Surroundings = Pick<Deps, 'database' | 'clock' | 'bell'>

/**
 * Applies a change to a job, again on what someone else has made of it meanwhile.
 * @param find how the caller finds the job; null is a 404
 * @param lease where a worker asks: the change is refused unless it still holds the lease. In a `settled` state under
 *   its fence the change has been made before (the answer got lost), and nothing is done
 * @returns the job as it is then
 * @throws GavelError `not_found`, `stale_fence`, or `conflict` when the state does not allow the change
 */
export async function changeJob(
  { database, clock, bell }: Surroundings,
  id: string,
  find: () => Promise<JobRow | null>,
  change: Change,
  lease?: { fence: number; settled: readonly JobState[] },
): Promise<JobRow> {
  for (;;) {
    const job = await find()
    if (!job) throw jobNotFound(id)
    if (lease && job.fence === lease.fence && lease.settled.includes(job.state)) return job
    if (lease) checkFence(job, lease.fence)
    const now = clock.now()
    const patch = change(job, now)
    if (patch === null) return job
    if (await database.jobs.swap(job, patch, now)) {
      ring(bell, job)
      return { ...job, ...patch }
    }
  }
}

/** A job that has changed may be one to claim, and its readers are to hear of it. */
function ring(bell: JobBell, { id }: JobRow): void {
  bell.ring(id)
  bell.ring(CLAIMABLE)
}

/** Settles the jobs whose workers fell silent and that nobody may claim: cancelled, paused, or given up. */
export async function sweepJobs({ database, clock, bell }: Surroundings): Promise<void> {
  for (const job of await database.jobs.expired(clock.now(), MAX_TRIES)) {
    const now = clock.now()
    const patch = expire(job, now)
    if (patch && (await database.jobs.swap(job, patch, now))) ring(bell, job)
  }
}

/** @throws GavelError `stale_fence` unless the job is running under this fence */
export function checkFence(job: JobRow, fence: number): void {
  if (job.state !== 'running' || job.fence !== fence) throw staleFence(job.id)
}

export const staleFence = (job: string) =>
  new GavelError(
    'stale_fence',
    `The lease of ${job} is no longer yours: it ended or another worker has it. Drop the work and lease anew.`,
    {
      param: 'fence',
    },
  )

export const jobNotFound = (id: string) =>
  new GavelError('not_found', `There is no job ${id.slice(0, 100)}. List yours with GET /v1/jobs.`, { param: 'id' })
