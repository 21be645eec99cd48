import { and, asc, eq, lte, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'

/** Jobs, also deleted ones, of which objects may lie about that nothing names; the longest due first. */
export const collectableJobs = (db: DrizzleD1Database, now: number, limit: number) =>
  db.select().from(jobs).where(lte(jobs.collectAt, now)).orderBy(asc(jobs.collectAt)).limit(limit)

/** Puts the next look at a job's objects off until `at`, but never brings it forward. */
export async function collectLater(db: DrizzleD1Database, job: string, at: number): Promise<void> {
  await db
    .update(jobs)
    .set({ collectAt: sql`max(coalesce(collect_at, 0), ${at})` })
    .where(eq(jobs.id, job))
}

/** Notes that a look was taken at `now`, and when the next is due; one that was put off meanwhile stays where it is. */
export async function jobCollected(db: DrizzleD1Database, job: string, now: number, next: number | null) {
  await db
    .update(jobs)
    .set({ collectAt: next })
    .where(and(eq(jobs.id, job), lte(jobs.collectAt, now)))
}

/** A job whether it is deleted or not: its checkpoints may outlive it. */
export async function jobOfCheckpoints(db: DrizzleD1Database, id: string) {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id))
  return row ? { job: row as JobRow, deleted: row.deletedAt !== null } : null
}
