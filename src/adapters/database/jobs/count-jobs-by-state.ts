import { isNull, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobState } from '../../../core/schemas/job.ts'
import { jobs } from '../tables.ts'

/** Of all tenants: the operator watches these. A state that no job is in is left out. */
export async function countJobsByState(db: DrizzleD1Database): Promise<Map<JobState, number>> {
  const rows = await db
    .select({ state: jobs.state, count: sql<number>`count(*)` })
    .from(jobs)
    .where(isNull(jobs.deletedAt))
    .groupBy(jobs.state)
  return new Map(rows.map(({ state, count }) => [state, count]))
}
