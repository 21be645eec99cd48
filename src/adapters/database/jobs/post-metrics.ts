import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { MetricPoint } from '../../../core/schemas/job.ts'
import type { Lease } from '../../../service/database.ts'
import { leaseHolds } from './lease-holds.ts'
import { writePost } from './write-post.ts'

/**
 * The metrics of a step may come in several posts (of the update, then of a canary), so they are merged by name, and the
 * later number of a name wins. A post that is sent again, since its answer was lost, changes nothing.
 */
export function postMetrics(db: DrizzleD1Database, lease: Lease, points: MetricPoint[]): Promise<boolean> {
  return writePost(
    db,
    sql`
      INSERT INTO job_metrics (job, step, "values")
      SELECT ${lease.job}, json_extract(value, '$.step'), json_extract(value, '$.values')
      FROM json_each(${JSON.stringify(points)}) WHERE ${leaseHolds(lease)}
      ON CONFLICT (job, step) DO UPDATE SET "values" = json_patch("values", excluded."values")`,
  )
}
