import { and, eq } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { KeyBody, KeyTable } from '../../service/database.ts'
import { resourceTable } from './resource-table.ts'
import { keys } from './tables.ts'

/** Keys are resources that are found by their hash as well, since no key itself is kept; their names have no versions. */
export function keyTable(db: DrizzleD1Database): KeyTable {
  const t = keys
  const { find, list, remove } = resourceTable<KeyBody>(db, t)
  return {
    find,
    list,
    remove,
    async insert(row, sha256) {
      const [stored] = await db
        .insert(t)
        .values({ ...row, version: 1, sha256 })
        .returning()
      return stored!
    },
    async budgetOf(tenant, id) {
      const [row] = await db
        .select({ body: t.body })
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
      return row?.body.budget
    },
    async findByHash(sha256) {
      const [row] = await db.select().from(t).where(eq(t.sha256, sha256))
      return row && row.deletedAt === null ? row : null
    },
  }
}
