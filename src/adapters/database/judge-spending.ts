import { and, eq, sql, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Spent } from '../../service/database.ts'
import { judges } from './tables.ts'

/** A statement that adds to what was spent on a judge, where a condition holds. */
export function addToSpent(db: DrizzleD1Database, judge: string, { tokens, cost }: Spent, condition: SQL) {
  const t = judges
  const sum = (name: keyof Spent, more: number) =>
    sql`coalesce(json_extract(${t.body}, ${`$.spent.${name}`}), 0) + ${more}`
  const spent = sql`json_object('tokens', ${sum('tokens', tokens)}, 'cost', ${sum('cost', cost)})`
  return db
    .update(t)
    .set({ body: sql`json_set(${t.body}, '$.spent', ${spent})` })
    .where(and(eq(t.id, judge), condition))
}
