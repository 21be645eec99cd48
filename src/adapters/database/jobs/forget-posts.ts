import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { jobEvents, jobMetrics, jobSamples } from '../tables.ts'

/** Rows of one statement: a long run leaves millions, and D1 ends statements that take long. */
const AT_ONCE = 5000

/**
 * Forgets the events, metrics and samples of a deleted job. Nothing can be posted to it any more (`leaseHolds`), so that
 * what is gone stays gone; whoever is interrupted here begins again.
 */
export async function forgetPosts(db: DrizzleD1Database, job: string): Promise<void> {
  for (const table of [jobEvents, jobMetrics, jobSamples]) {
    for (let left = AT_ONCE; left === AT_ONCE;) {
      const some = sql`DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE job = ${job} LIMIT ${AT_ONCE})`
      left = ((await db.run(some)).meta as { changes: number }).changes
    }
  }
}
