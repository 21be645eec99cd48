import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'
import { unchangedSince } from './unchanged-since.ts'

/**
 * Marks a job as deleted; answers whether there was one. The row stays, since others still lean on it: a page of a list
 * may have ended on it, its checkpoints live on and name it, and its idempotency key stays used. One that has changed
 * since it was read is left: it may have been resumed, and would then be queued for ever where nobody finds it.
 *
 * What is left of it is due to be collected from that moment on, so that a crash right after forgets nothing.
 */
export async function removeJob(db: DrizzleD1Database, before: JobRow, now: number): Promise<boolean> {
  const removed = db
    .update(jobs)
    .set({ deletedAt: now, collectAt: now })
    .where(unchangedSince(before))
    .returning({ id: jobs.id })
  return (await removed).length > 0
}
