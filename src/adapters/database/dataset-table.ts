import { and, desc, eq, isNull, lt, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { DatasetBody, DatasetTable } from '../../service/database.ts'
import { resourceTable } from './resource-table.ts'
import { datasets } from './tables.ts'

export function datasetTable(db: DrizzleD1Database): DatasetTable {
  const t = datasets
  return {
    ...resourceTable<DatasetBody>(db, t),

    async newestBefore(tenant, name, version) {
      const [row] = await db
        .select()
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.name, name), lt(t.version, version), isNull(t.deletedAt)))
        .orderBy(desc(t.version))
        .limit(1)
      return row ?? null
    },

    async segmentsLike(tenant, prefix) {
      const mentions = sql`instr(${t.body}, ${`"${prefix}`}) > 0`
      const rows = await db
        .select({ body: t.body })
        .from(t)
        .where(and(eq(t.tenant, tenant), isNull(t.deletedAt), mentions))
      return rows.flatMap(({ body }) => body.segments)
    },
  }
}
