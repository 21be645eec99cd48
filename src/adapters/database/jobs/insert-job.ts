import { and, eq } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Idempotency, JobRow, NewJob } from '../../../service/database.ts'
import { jobs } from '../tables.ts'

/**
 * Stores a queued job, or answers the one that was stored first under its idempotency key. The unique index over tenant
 * and key decides which that is, so of two requests at the same time one makes the job and the other hears of it. Jobs
 * without a key never meet there: to a unique index, no null is like another.
 *
 * A job that was deleted since still has its key. The same request again must not train a second time.
 */
export async function insertJob(
  db: DrizzleD1Database,
  row: NewJob,
  idempotency: Idempotency | null,
): Promise<{ row: JobRow; requestSha256: string | null }> {
  const values = {
    ...row,
    updatedAt: row.createdAt,
    idempotencyKey: idempotency?.key ?? null,
    requestSha256: idempotency?.requestSha256 ?? null,
  }
  const [created] = await db.insert(jobs).values(values).onConflictDoNothing().returning()
  const first = created ?? (await storedUnder(db, row.tenant, idempotency!.key))
  return { row: first, requestSha256: first.requestSha256 }
}

/** There is one: an id is never given twice, so only the key was in the way, and no row of a job is ever removed. */
async function storedUnder(db: DrizzleD1Database, tenant: string, key: string) {
  const [row] = await db
    .select()
    .from(jobs)
    .where(and(eq(jobs.tenant, tenant), eq(jobs.idempotencyKey, key)))
  return row!
}
