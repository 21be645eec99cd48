import { and, desc, eq, isNull, lt } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobPage, JobRow, Paged } from '../../../service/database.ts'
import { paged, seqOf } from '../resource-table.ts'
import { jobs } from '../tables.ts'

/** A tenant's jobs, newest first: by the order of their making, since many may be made in one millisecond. */
export async function listJobs(
  db: DrizzleD1Database,
  tenant: string,
  { after, limit, state, type }: JobPage,
): Promise<Paged<JobRow>> {
  const before = after === undefined ? undefined : await seqOf(db, jobs, tenant, after)
  const rows = await db
    .select()
    .from(jobs)
    .where(
      and(
        eq(jobs.tenant, tenant),
        isNull(jobs.deletedAt),
        before === undefined ? undefined : lt(jobs.seq, before),
        state && eq(jobs.state, state),
        type && eq(jobs.type, type),
      ),
    )
    .orderBy(desc(jobs.seq))
    .limit(limit + 1)
  return paged<JobRow>(rows, limit)
}
