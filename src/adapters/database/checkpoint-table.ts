import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { CheckpointTable } from '../../service/database.ts'
import { leaseHolds } from './jobs/lease-holds.ts'
import { mayExist } from './may-exist.ts'
import { paged, seqOf } from './resource-table.ts'
import { checkpoints } from './tables.ts'

/**
 * A condition that holds of a checkpoint that no model and no other job of its tenant names, in its JSON and with quotes, as
 * `activeJobsWith` looks for ids. It stands in the statement that removes: what is named between a look and the deed
 * is not removed.
 */
const unnamed = sql.join(
  [
    sql`NOT EXISTS (SELECT 1 FROM models AS m WHERE m.tenant = checkpoints.tenant AND m.deleted_at IS NULL AND instr(m.body, json_quote(checkpoints.id)) > 0)`,
    sql`NOT EXISTS (SELECT 1 FROM jobs AS o WHERE o.tenant = checkpoints.tenant AND o.deleted_at IS NULL AND o.id <> checkpoints.job AND instr(o.spec, json_quote(checkpoints.id)) > 0)`,
  ],
  sql` AND `,
)

export function checkpointTable(db: DrizzleD1Database): CheckpointTable {
  const t = checkpoints
  return {
    async insert(row, lease) {
      await db.run(sql`
        INSERT INTO checkpoints (id, tenant, job, step, prefix, manifest, created_at)
        SELECT ${row.id}, ${row.tenant}, ${row.job}, ${row.step}, ${row.prefix}, ${JSON.stringify(row.manifest)}, ${row.createdAt}
        WHERE ${leaseHolds(lease)} ON CONFLICT (job, step) DO NOTHING`)
      const [stored] = await db
        .select()
        .from(t)
        .where(and(eq(t.job, row.job), eq(t.step, row.step)))
      return stored ?? null
    },

    async find(tenant, id) {
      if (!mayExist(id)) return null
      const [row] = await db
        .select()
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
      return row ?? null
    },

    async newest(job) {
      const [row] = await db.select().from(t).where(eq(t.job, job)).orderBy(desc(t.step)).limit(1)
      return row ?? null
    },

    async list(tenant, job, { after, limit }) {
      const before = after === undefined ? undefined : await seqOf(db, t, tenant, after)
      const rows = await db
        .select()
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.job, job), before === undefined ? undefined : lt(t.seq, before)))
        .orderBy(desc(t.seq))
        .limit(limit + 1)
      return paged(rows, limit)
    },

    async remove(tenant, id) {
      const removed = await db
        .delete(t)
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
        .returning({ id: t.id })
      return removed.length > 0
    },

    ofJob: (job) => db.select().from(t).where(eq(t.job, job)).orderBy(asc(t.step)),

    removeUnnamed: (job, ids) =>
      db
        .delete(t)
        .where(and(eq(t.job, job), sql`${t.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`, unnamed))
        .returning(),
  }
}
