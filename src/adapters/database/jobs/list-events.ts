import { and, asc, eq, gt } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobEvent } from '../../../core/schemas/job.ts'
import type { Page, Paged } from '../../../service/database.ts'
import { paged } from '../resource-table.ts'
import { jobEvents } from '../tables.ts'
import { cursorNumber } from './cursor-number.ts'

/**
 * By their number and not by their time, of which several events may have the same: a stream of events goes on exactly
 * after the last number that its reader has.
 */
export async function listEvents(db: DrizzleD1Database, job: string, { after, limit }: Page): Promise<Paged<JobEvent>> {
  const beyond = after === undefined ? undefined : gt(jobEvents.number, cursorNumber(after))
  const rows = await db
    .select()
    .from(jobEvents)
    .where(and(eq(jobEvents.job, job), beyond))
    .orderBy(asc(jobEvents.number))
    .limit(limit + 1)
  const events = rows.map((row) => ({
    id: String(row.number),
    object: 'job.event' as const,
    created_at: Math.floor(row.createdAt / 1000),
    level: row.level,
    message: row.message,
    data: row.data ?? null,
  }))
  return paged(events, limit)
}
