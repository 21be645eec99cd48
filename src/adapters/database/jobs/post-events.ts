import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { EventPost } from '../../../core/schemas/job.ts'
import type { Lease } from '../../../service/database.ts'
import { leaseHolds } from './lease-holds.ts'
import { writePost } from './write-post.ts'

/**
 * Events are counted per job, from 1, by the statement that writes them: statements that write run one after the other. One
 * whose key the job has had is left out, so that a post whose answer was lost doubles nothing when it is sent again; an
 * event without a key is like no other. Since nothing new may be written under a lease that holds, it is then asked for.
 * What a job's state becomes is no post: a trigger writes it into the same table (migrations/0010_event_numbers.sql).
 */
export async function postEvents(
  db: DrizzleD1Database,
  lease: Lease,
  events: EventPost[],
  now: number,
): Promise<boolean> {
  const wrote = await writePost(
    db,
    sql`
      INSERT INTO job_events (job, number, "key", created_at, level, message, data)
      SELECT ${lease.job},
        (SELECT coalesce(max(number), 0) FROM job_events WHERE job = ${lease.job}) + row_number() OVER (ORDER BY post."key"),
        post.value ->> 'key', ${now}, post.value ->> 'level', post.value ->> 'message', json_extract(post.value, '$.data')
      FROM json_each(${JSON.stringify(events)}) AS post
      WHERE ${leaseHolds(lease)} AND NOT EXISTS (
        SELECT 1 FROM job_events AS known WHERE known.job = ${lease.job} AND known."key" = post.value ->> 'key')
      ON CONFLICT (job, "key") DO NOTHING`,
  )
  if (wrote) return true
  const [held] = await db.all<{ holds: number }>(sql`SELECT ${leaseHolds(lease)} AS holds`)
  return held!.holds === 1
}
