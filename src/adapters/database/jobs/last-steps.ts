import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { jobMetrics } from '../tables.ts'

/** For a whole page of jobs at once. Their ids are one JSON parameter: a page may hold more than the 100 of D1. */
export async function lastSteps(db: DrizzleD1Database, jobs: string[]): Promise<Map<string, number>> {
  const rows = await db
    .select({ job: jobMetrics.job, step: sql<number>`max(${jobMetrics.step})` })
    .from(jobMetrics)
    .where(sql`${jobMetrics.job} IN (SELECT value FROM json_each(${JSON.stringify(jobs)}))`)
    .groupBy(jobMetrics.job)
  return new Map(rows.map((row) => [row.job, row.step]))
}
