import { and, desc, eq, isNull, lt, or, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { GavelError } from '../../core/errors.ts'
import type { Paged, ResourceRow, ResourceTable } from '../../service/database.ts'
import { mayExist } from './may-exist.ts'
import type { checkpoints, datasets, jobs, judges, keys, models, recipes } from './tables.ts'

type Table = typeof judges | typeof recipes | typeof datasets | typeof models | typeof keys

/** The five tables of users' resources differ only in their `body`. */
export function resourceTable<Body>(db: DrizzleD1Database, table: Table): ResourceTable<Body> {
  // The tables have the same columns, but the union of them is more than Drizzle's types can follow.
  const t = table as typeof judges
  const stored = (row: typeof t.$inferSelect) => row as unknown as ResourceRow<Body>
  const live = (tenant: string) => and(eq(t.tenant, tenant), isNull(t.deletedAt))

  return {
    async insert(row) {
      const version = sql`(SELECT coalesce(max(version), 0) + 1 FROM ${t} WHERE tenant = ${row.tenant} AND name = ${row.name})`
      const values = { ...row, version } as unknown as typeof t.$inferInsert
      const [inserted] = await db.insert(t).values(values).returning()
      return stored(inserted!)
    },

    async find(tenant, idOrName) {
      if (!mayExist(idOrName)) return null
      const [row] = await db
        .select()
        .from(t)
        .where(and(live(tenant), or(eq(t.id, idOrName), eq(t.name, idOrName))))
        .orderBy(desc(t.version), desc(t.seq))
        .limit(1)
      return row ? stored(row) : null
    },

    async list(tenant, { after, limit }) {
      const before = after === undefined ? undefined : await seqOf(db, t, tenant, after)
      const rows = await db
        .select()
        .from(t)
        .where(and(live(tenant), before === undefined ? undefined : lt(t.seq, before)))
        .orderBy(desc(t.seq))
        .limit(limit + 1)
      return paged(rows.map(stored), limit)
    },

    async remove(tenant, id, now) {
      const where = and(live(tenant), eq(t.id, id))
      return (await db.update(t).set({ deletedAt: now, secret: null }).where(where).returning({ id: t.id })).length > 0
    },
  }
}

/** Cuts a query of `limit + 1` rows into a page. */
export function paged<Row>(rows: Row[], limit: number): Paged<Row> {
  return { rows: rows.slice(0, limit), more: rows.length > limit }
}

/** Where a cursor stands in the order of creation. Deleted rows still count: a page may end on one. */
export async function seqOf(
  db: DrizzleD1Database,
  table: Table | typeof jobs | typeof checkpoints,
  tenant: string,
  id: string,
): Promise<number> {
  const t = table as typeof judges
  const [row] = await db
    .select({ seq: t.seq })
    .from(t)
    .where(and(eq(t.tenant, tenant), eq(t.id, id)))
  if (row) return row.seq
  throw new GavelError(
    'not_found',
    '`after` is no id of this list; give the last id of the page before, or leave it out.',
    {
      param: 'after',
    },
  )
}
