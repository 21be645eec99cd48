import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { NO_ROWS } from '../../core/datasets/row-checker.ts'
import type { UploadTable } from '../../service/database.ts'
import { mayExist } from './may-exist.ts'
import { uploads } from './tables.ts'

/** Most uploads that are swept away at once. */
const SWEPT = 20

export function uploadTable(db: DrizzleD1Database): UploadTable {
  const t = uploads
  return {
    async insert(row) {
      const [inserted] = await db.insert(t).values(row).returning()
      return inserted!
    },

    async find(tenant, id) {
      if (!mayExist(id)) return null
      const [row] = await db
        .select()
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
      return row ?? null
    },

    async swap({ id, revision }, patch) {
      const where = and(eq(t.id, id), eq(t.revision, revision), isNull(t.completedAt))
      const set = { ...patch, revision: sql`${t.revision} + 1` }
      return (await db.update(t).set(set).where(where).returning({ id: t.id })).length > 0
    },

    async end(id, now) {
      const set = { expiresAt: now - 1, revision: sql`${t.revision} + 1` }
      await db.update(t).set(set).where(eq(t.id, id))
    },

    async leave({ id, tenant }, now) {
      const body = { tally: NO_ROWS, segments: [], before: null, parts: [] }
      const row = { id, tenant, name: null, base: null, body, createdAt: now, expiresAt: now - 1 }
      await db.insert(t).values(row).onConflictDoNothing()
    },

    remove: async (id) => (await db.delete(t).where(eq(t.id, id)).returning({ id: t.id })).length > 0,

    expired: (now) => db.select().from(t).where(lt(t.expiresAt, now)).limit(SWEPT),
  }
}
