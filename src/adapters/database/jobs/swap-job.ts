import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobPatch, JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'
import { unchangedSince } from './unchanged-since.ts'

/**
 * Changes a job unless someone has changed it since `before` was read; answers whether it did. What to change is worked
 * out in TypeScript (service/jobs/transitions.ts), so the statement compares what that was worked out from.
 *
 * It compares the revision, which grows with each claim and each swap, and not the fence, which grows with a claim only.
 * They are two numbers since they answer two questions. The revision says whether a decision is still about the job as
 * it is. The fence says whose the job is, and must stay the same for its worker while the job is told to pause or to
 * cancel.
 */
export async function swapJob(db: DrizzleD1Database, before: JobRow, patch: JobPatch, now: number): Promise<boolean> {
  const set = { ...patch, updatedAt: now, revision: before.revision + 1 }
  return (await db.update(jobs).set(set).where(unchangedSince(before)).returning({ id: jobs.id })).length > 0
}
