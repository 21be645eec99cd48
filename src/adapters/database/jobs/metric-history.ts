import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'

/** The steps at which a job has a metric, in order, with its values. */
export async function metricHistory(db: DrizzleD1Database, job: string, name: string) {
  const path = `$.${JSON.stringify(name)}`
  return db.all<{ step: number; value: number }>(sql`
    SELECT step, json_extract("values", ${path}) AS value FROM job_metrics
    WHERE job = ${job} AND json_extract("values", ${path}) IS NOT NULL ORDER BY step`)
}
