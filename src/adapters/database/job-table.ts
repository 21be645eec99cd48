import { and, asc, desc, eq, gt, inArray, isNull, lt, lte, or, sql, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { GavelError } from '../../core/errors.ts'
import type { Sample } from '../../core/schemas/job.ts'
import type { JobRow, JobTable, Lease } from '../../service/database.ts'
import { paged, seqOf } from './resource-table.ts'
import { jobEvents, jobMetrics, jobs, jobSamples } from './tables.ts'

/**
 * A condition that holds while the lease does. A worker's posts carry it in the statement that writes, and travel as
 * one JSON parameter (D1 allows 100 parameters): so a post is taken whole or not at all.
 */
export const leaseHolds = ({ job, fence }: Lease): SQL =>
  sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${job} AND fence = ${fence} AND state = 'running' AND deleted_at IS NULL)`

export function jobTable(db: DrizzleD1Database): JobTable {
  const one = async (where: SQL | undefined) => (await db.select().from(jobs).where(where).limit(1))[0] ?? null
  const wrote = async (statement: SQL) => ((await db.run(statement)).meta as { changes: number }).changes > 0

  return {
    async insert(row, idempotency) {
      const values = {
        ...row,
        updatedAt: row.createdAt,
        idempotencyKey: idempotency?.key ?? null,
        requestSha256: idempotency?.requestSha256 ?? null,
      }
      const [created] = await db.insert(jobs).values(values).onConflictDoNothing().returning()
      const first =
        created ?? (await one(and(eq(jobs.tenant, row.tenant), eq(jobs.idempotencyKey, values.idempotencyKey!))))
      return { row: first, requestSha256: first.requestSha256 }
    },

    find: (tenant, id) => one(and(eq(jobs.tenant, tenant), eq(jobs.id, id), isNull(jobs.deletedAt))),
    get: (id) => one(and(eq(jobs.id, id), isNull(jobs.deletedAt))),

    async list(tenant, { after, limit, state, type }) {
      const before = after === undefined ? undefined : await seqOf(db, jobs, tenant, after)
      const rows = await db
        .select()
        .from(jobs)
        .where(
          and(
            eq(jobs.tenant, tenant),
            isNull(jobs.deletedAt),
            before === undefined ? undefined : lt(jobs.seq, before),
            state && eq(jobs.state, state),
            type && eq(jobs.type, type),
          ),
        )
        .orderBy(desc(jobs.seq))
        .limit(limit + 1)
      return paged(rows as JobRow[], limit)
    },

    async claim({ worker, kinds, tenant, now, leaseMs, maxTries }) {
      const ready = db
        .select({ id: jobs.id })
        .from(jobs)
        .where(
          and(
            or(
              and(eq(jobs.state, 'queued'), lte(jobs.notBefore, now)),
              and(eq(jobs.state, 'running'), lt(jobs.leaseExpiresAt, now)),
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
      const [row] = await db
        .update(jobs)
        .set({
          state: 'running',
          worker,
          fence: sql`fence + 1`,
          usageReports: 0,
          attempt: sql`attempt + 1`,
          tries: sql`tries + 1`,
          revision: sql`revision + 1`,
          error: null,
          leaseExpiresAt: now + leaseMs,
          startedAt: sql`coalesce(started_at, ${now})`,
          updatedAt: now,
        })
        .where(eq(jobs.id, sql`(${ready})`))
        .returning()
      return row ?? null
    },

    async heartbeat({ job, fence }, leaseExpiresAt) {
      const held = and(eq(jobs.id, job), eq(jobs.fence, fence), eq(jobs.state, 'running'), isNull(jobs.deletedAt))
      return (await db.update(jobs).set({ leaseExpiresAt }).where(held).returning())[0] ?? null
    },

    async swap(before, patch, now) {
      const same = and(eq(jobs.id, before.id), eq(jobs.revision, before.revision), isNull(jobs.deletedAt))
      const set = { ...patch, updatedAt: now, revision: before.revision + 1 }
      return (await db.update(jobs).set(set).where(same).returning({ id: jobs.id })).length > 0
    },

    expired: (now) =>
      db
        .select()
        .from(jobs)
        .where(and(eq(jobs.state, 'running'), lt(jobs.leaseExpiresAt, now), isNull(jobs.deletedAt)))
        .limit(100),

    async activeWith(tenant, resourceId) {
      // A spec names what it needs as JSON strings, and so do the bodies of models (their checkpoint) and judges (their
      // model, or the judges of an ensemble).
      const rows = await db.all<{ id: string }>(sql`
        WITH RECURSIVE
          made AS (
            SELECT id, body FROM models WHERE tenant = ${tenant} AND deleted_at IS NULL
            UNION ALL SELECT id, body FROM judges WHERE tenant = ${tenant} AND deleted_at IS NULL
          ),
          needed (name) AS (
            SELECT ${JSON.stringify(resourceId)}
            UNION SELECT json_quote(made.id) FROM made JOIN needed ON instr(made.body, needed.name) > 0
          )
        SELECT id FROM jobs
        WHERE state IN ('queued', 'running', 'paused') AND tenant = ${tenant}
          AND EXISTS (SELECT 1 FROM needed WHERE instr(spec, needed.name) > 0)
        ORDER BY seq LIMIT 10`)
      return rows.map((row) => row.id)
    },

    async remove(tenant, id, now) {
      const where = and(eq(jobs.tenant, tenant), eq(jobs.id, id), isNull(jobs.deletedAt))
      return (await db.update(jobs).set({ deletedAt: now }).where(where).returning({ id: jobs.id })).length > 0
    },

    postMetrics: (lease, points) =>
      wrote(sql`
        INSERT INTO job_metrics (job, step, "values")
        SELECT ${lease.job}, json_extract(value, '$.step'), json_extract(value, '$.values')
        FROM json_each(${JSON.stringify(points)}) WHERE ${leaseHolds(lease)}
        ON CONFLICT (job, step) DO UPDATE SET "values" = json_patch("values", excluded."values")`),

    postSamples: (lease, samples) =>
      wrote(sql`
        INSERT INTO job_samples (job, step, split, "index", body)
        SELECT ${lease.job}, json_extract(value, '$.step'), json_extract(value, '$.split'), json_extract(value, '$.index'), value
        FROM json_each(${JSON.stringify(samples)}) WHERE ${leaseHolds(lease)}
        ON CONFLICT (job, step, split, "index") DO UPDATE SET body = excluded.body`),

    postEvents: (lease, events, now) =>
      wrote(sql`
        INSERT INTO job_events (job, created_at, level, message, data)
        SELECT ${lease.job}, ${now}, json_extract(value, '$.level'), json_extract(value, '$.message'), json_extract(value, '$.data')
        FROM json_each(${JSON.stringify(events)}) WHERE ${leaseHolds(lease)}`),

    async supersede(lease, afterStep) {
      for (const table of [jobMetrics, jobSamples]) {
        await db.delete(table).where(and(eq(table.job, lease.job), gt(table.step, afterStep), leaseHolds(lease)))
      }
    },

    async metrics(job, { after, limit }) {
      const beyond = after === undefined ? undefined : gt(jobMetrics.step, cursor(after))
      const rows = await db
        .select({ step: jobMetrics.step, values: jobMetrics.values })
        .from(jobMetrics)
        .where(and(eq(jobMetrics.job, job), beyond))
        .orderBy(asc(jobMetrics.step))
        .limit(limit + 1)
      return paged(rows, limit)
    },

    async lastStep(ids) {
      const rows = await db
        .select({ job: jobMetrics.job, step: sql<number>`max(${jobMetrics.step})` })
        .from(jobMetrics)
        .where(sql`${jobMetrics.job} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
        .groupBy(jobMetrics.job)
      return new Map(rows.map((row) => [row.job, row.step]))
    },

    async countByState() {
      const rows = await db
        .select({ state: jobs.state, count: sql<number>`count(*)` })
        .from(jobs)
        .where(isNull(jobs.deletedAt))
        .groupBy(jobs.state)
      return new Map(rows.map(({ state, count }) => [state, count]))
    },

    async samples(job, { after, limit, step }) {
      const t = jobSamples
      const place = sql`(${t.step}, ${t.split}, ${t.index})`
      const beyond =
        after === undefined
          ? undefined
          : sql`${place} > (SELECT step, split, "index" FROM job_samples WHERE job = ${job} AND seq = ${cursor(after)})`
      const rows = await db
        .select({ seq: t.seq, body: t.body })
        .from(t)
        .where(and(eq(t.job, job), step === undefined ? undefined : eq(t.step, step), beyond))
        .orderBy(asc(t.step), asc(t.split), asc(t.index))
        .limit(limit + 1)
      return paged(
        rows.map(({ seq, body }): Sample & { id: string } => ({ id: String(seq), ...body })),
        limit,
      )
    },

    async events(job, { after, limit }) {
      const beyond = after === undefined ? undefined : gt(jobEvents.seq, cursor(after))
      const rows = await db
        .select()
        .from(jobEvents)
        .where(and(eq(jobEvents.job, job), beyond))
        .orderBy(asc(jobEvents.seq))
        .limit(limit + 1)
      const events = rows.map((row) => ({
        id: String(row.seq),
        object: 'job.event' as const,
        created_at: Math.floor(row.createdAt / 1000),
        level: row.level,
        message: row.message,
        data: row.data ?? null,
      }))
      return paged(events, limit)
    },
  }
}

function cursor(after: string): number {
  if (/^\d{1,15}$/.test(after)) return Number(after)
  throw new GavelError('not_found', '`after` must be the id (a number) of the last row of the page before.', {
    param: 'after',
  })
}
