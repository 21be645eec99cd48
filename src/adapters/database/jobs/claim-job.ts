import { and, asc, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Claim, JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'
import { hasCome } from './has-come.ts'

/**
 * Takes the oldest job that is ready: queued, or running with a lease that ran out.
 *
 * It is one UPDATE, which finds its job by a subselect. Two workers that first looked and then wrote could take the same
 * job, and D1 has no transaction that could hold a look and a write together; but SQLite runs one writing statement
 * after the other. RETURNING answers the job as it was taken, before anything else can change it.
 */
export async function claimJob(db: DrizzleD1Database, claim: Claim): Promise<JobRow | null> {
  const { worker, now, leaseMs } = claim
  const [row] = await db
    .update(jobs)
    .set({
      state: 'running',
      worker,
      // From here on, whoever held the job before is refused.
      fence: sql`fence + 1`,
      // Each fence numbers its reports from 1.
      usageReports: 0,
      attempt: sql`attempt + 1`,
      tries: sql`tries + 1`,
      revision: sql`revision + 1`,
      leaseExpiresAt: now + leaseMs,
      startedAt: sql`coalesce(started_at, ${now})`,
      updatedAt: now,
    })
    .where(eq(jobs.id, sql`(${oldestReady(db, claim)})`))
    .returning()
  return row ?? null
}

/**
 * A job that was told to stop, or was begun too often, is not ready when its worker falls silent: it must not be begun
 * again before a sweep settles it (`expire` in service/jobs/transitions.ts).
 */
const oldestReady = (db: DrizzleD1Database, { kinds, tenant, now, maxTries }: Claim) =>
  db
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      and(
        or(
          and(eq(jobs.state, 'queued'), hasCome(jobs.notBefore, now, now + 1)),
          and(eq(jobs.state, 'running'), hasCome(jobs.leaseExpiresAt, now)),
        ),
        eq(jobs.cancelRequested, false),
        eq(jobs.pauseRequested, false),
        lt(jobs.tries, maxTries),
        inArray(jobs.type, [...kinds]),
        tenant === null ? undefined : eq(jobs.tenant, tenant),
        isNull(jobs.deletedAt),
      ),
    )
    .orderBy(asc(jobs.seq))
    .limit(1)
