import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Sample } from '../../../core/schemas/job.ts'
import type { Lease } from '../../../service/database.ts'
import { leaseHolds } from './lease-holds.ts'
import { writePost } from './write-post.ts'

/**
 * A sample has a place (step, split and index), and whatever comes for a place replaces what was there: a run that goes
 * on from a checkpoint samples the same places anew.
 */
export function postSamples(db: DrizzleD1Database, lease: Lease, samples: Sample[]): Promise<boolean> {
  return writePost(
    db,
    sql`
      INSERT INTO job_samples (job, step, split, "index", body)
      SELECT ${lease.job}, json_extract(value, '$.step'), json_extract(value, '$.split'), json_extract(value, '$.index'), value
      FROM json_each(${JSON.stringify(samples)}) WHERE ${leaseHolds(lease)}
      ON CONFLICT (job, step, split, "index") DO UPDATE SET body = excluded.body`,
  )
}
