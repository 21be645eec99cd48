import { and, eq, gt } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Lease } from '../../../service/database.ts'
import { jobMetrics, jobSamples } from '../tables.ts'
import { leaseHolds } from './lease-holds.ts'

/**
 * Forgets the metrics and samples of steps beyond the one that a worker goes on from. The run before may have got
 * further than its last checkpoint. Those steps are done again, and may come out otherwise or not at all; a post
 * replaces only what it names, so the rest of the old run would stand among the new one's numbers. Events stay: they
 * did happen.
 *
 * A worker that is late here must not forget what a later one has posted, hence the lease. The two statements need no
 * transaction: when the second fails, so does the lease, and the next one begins with both.
 */
export async function supersedeSteps(db: DrizzleD1Database, lease: Lease, afterStep: number): Promise<void> {
  for (const table of [jobMetrics, jobSamples]) {
    await db.delete(table).where(and(eq(table.job, lease.job), gt(table.step, afterStep), leaseHolds(lease)))
  }
}
