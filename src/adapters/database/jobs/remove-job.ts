import { and, eq, isNull } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { jobs } from '../tables.ts'

/**
 * Marks a job as deleted; answers whether there was one. The row stays, since others still lean on it: a page of a list
 * may have ended on it, its checkpoints live on and name it, and its idempotency key stays used.
 */
export async function removeJob(db: DrizzleD1Database, tenant: string, id: string, now: number): Promise<boolean> {
  const where = and(eq(jobs.tenant, tenant), eq(jobs.id, id), isNull(jobs.deletedAt))
  return (await db.update(jobs).set({ deletedAt: now }).where(where).returning({ id: jobs.id })).length > 0
}
