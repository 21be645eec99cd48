import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { EventPost } from '../../../core/schemas/job.ts'
import type { Lease } from '../../../service/database.ts'
import { leaseHolds } from './lease-holds.ts'
import { writePost } from './write-post.ts'

/**
 * Events have no conflict clause, since nothing tells one from another: their only key is the number that the database
 * gives. A post that is sent again, since its answer was lost, leaves its events twice, which is better than never.
 * What a job's state becomes is no post: a trigger writes it into the same table (migrations/0008_state_reasons.sql).
 */
export function postEvents(db: DrizzleD1Database, lease: Lease, events: EventPost[], now: number): Promise<boolean> {
  return writePost(
    db,
    sql`
      INSERT INTO job_events (job, created_at, level, message, data)
      SELECT ${lease.job}, ${now}, json_extract(value, '$.level'), json_extract(value, '$.message'), json_extract(value, '$.data')
      FROM json_each(${JSON.stringify(events)}) WHERE ${leaseHolds(lease)}`,
  )
}
