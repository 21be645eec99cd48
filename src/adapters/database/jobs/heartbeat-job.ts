import { and, eq, isNull } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobRow, Lease } from '../../../service/database.ts'
import { jobs } from '../tables.ts'

/**
 * Prolongs a lease; null where it is lost. A beat that comes late, after the lease ran out, still counts while nobody
 * has claimed the job: the work goes on instead of beginning anew.
 *
 * A beat does not raise the revision, or it would now and then make a cancel or a pause start over. Only a sweep decides
 * by what a beat changes: one that has found the lease run out settles the job, even if a late beat comes in between.
 */
export async function heartbeatJob(
  db: DrizzleD1Database,
  { job, fence }: Lease,
  leaseExpiresAt: number,
): Promise<JobRow | null> {
  const held = and(eq(jobs.id, job), eq(jobs.fence, fence), eq(jobs.state, 'running'), isNull(jobs.deletedAt))
  const [row] = await db.update(jobs).set({ leaseExpiresAt }).where(held).returning()
  return row ?? null
}
