import { and, eq, sql, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JudgeBody, JudgeTable } from '../../service/database.ts'
import { resourceTable } from './resource-table.ts'
import { judges } from './tables.ts'

/**
 * A judge's body is written once. What may change of it later changes in SQL, one field at a time: a body that was read
 * and written back whole would undo what was noted meanwhile, such as what was spent.
 */
export function judgeTable(db: DrizzleD1Database): JudgeTable {
  const t = judges
  const setBody = async (tenant: string, id: string, body: SQL) => {
    await db
      .update(t)
      .set({ body })
      .where(and(eq(t.tenant, tenant), eq(t.id, id)))
  }

  return {
    ...resourceTable<JudgeBody>(db, t),
    annotate: (tenant, id, finding) => {
      const parts = Object.entries(finding).map(([key, value]) => sql`, ${`$.${key}`}, json(${JSON.stringify(value)})`)
      return setBody(tenant, id, sql`json_set(${t.body}${sql.join(parts)})`)
    },
    setBudget: (tenant, id, budget) =>
      setBody(
        tenant,
        id,
        budget
          ? sql`json_set(${t.body}, '$.budget', json(${JSON.stringify(budget)}))`
          : sql`json_remove(${t.body}, '$.budget')`,
      ),
    async spentOn(id) {
      const [row] = await db.select({ body: t.body }).from(t).where(eq(t.id, id))
      return row?.body.spent ?? { tokens: 0, cost: 0 }
    },
  }
}
