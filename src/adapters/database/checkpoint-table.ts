import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { CheckpointTable } from '../../service/database.ts'
import { leaseHolds } from './jobs/lease-holds.ts'
import { mayExist } from './may-exist.ts'
import { paged, seqOf } from './resource-table.ts'
import { checkpoints } from './tables.ts'

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
  }
}
