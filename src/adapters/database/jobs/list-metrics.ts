import { and, asc, eq, gt } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { MetricPoint } from '../../../core/schemas/job.ts'
import type { Page, Paged } from '../../../service/database.ts'
import { paged } from '../resource-table.ts'
import { jobMetrics } from '../tables.ts'
import { cursorNumber } from './cursor-number.ts'

/** A step has one row, so the step itself is the cursor. */
export async function listMetrics(
  db: DrizzleD1Database,
  job: string,
  { after, limit }: Page,
): Promise<Paged<MetricPoint>> {
  const beyond = after === undefined ? undefined : gt(jobMetrics.step, cursorNumber(after))
  const rows = await db
    .select({ step: jobMetrics.step, values: jobMetrics.values })
    .from(jobMetrics)
    .where(and(eq(jobMetrics.job, job), beyond))
    .orderBy(asc(jobMetrics.step))
    .limit(limit + 1)
  return paged(rows, limit)
}
