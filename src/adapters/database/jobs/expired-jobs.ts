import { and, eq, gte, isNull, or } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'
import { hasCome } from './has-come.ts'

/**
 * Running jobs whose lease ran out and that nobody may claim again, since they were to stop or were begun often enough: what
 * a claim takes by itself is left to it. A sweep settles them one by one, each with a query of its own; it comes before
 * every lease, and once a minute or more often. The limit keeps it short, and within the 1000 queries that a Cloudflare
 * Worker may make at a time. What is left over waits until those before it are settled.
 */
export function expiredJobs(db: DrizzleD1Database, now: number, maxTries: number): Promise<JobRow[]> {
  const isOver = or(eq(jobs.cancelRequested, true), eq(jobs.pauseRequested, true), gte(jobs.tries, maxTries))
  return db
    .select()
    .from(jobs)
    .where(and(eq(jobs.state, 'running'), hasCome(jobs.leaseExpiresAt, now), isOver, isNull(jobs.deletedAt)))
    .limit(100)
}
