import { eq, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JudgmentTable } from '../../service/database.ts'
import { judgmentLookups, judgments } from './tables.ts'

/** Many come out at once, by one JSON parameter: D1 allows 100 parameters a statement. */
export function judgmentTable(db: DrizzleD1Database): JudgmentTable {
  const t = judgments
  return {
    async getMany(_judge, keys) {
      const rows = await db
        .select({ key: t.key, value: t.value })
        .from(t)
        .where(sql`${t.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`)
      return new Map(rows.map((row) => [row.key, row.value]))
    },

    async addLookups(byJudge) {
      const rows = [...byJudge].map(([judge, { hits, misses }]) => [judge, hits, misses])
      await db.run(sql`
        INSERT INTO judgment_lookups (judge, hits, misses)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(rows)}) WHERE true
        ON CONFLICT (judge) DO UPDATE SET hits = hits + excluded.hits, misses = misses + excluded.misses`)
    },

    async clear(judge) {
      await db.delete(t).where(eq(t.judge, judge))
    },

    async summary(judge) {
      const [kept] = await db
        .select({ entries: sql<number>`count(*)` })
        .from(t)
        .where(eq(t.judge, judge))
      const { hits, misses } = judgmentLookups
      const [lookups] = await db.select({ hits, misses }).from(judgmentLookups).where(eq(judgmentLookups.judge, judge))
      // A count always has a row.
      return { ...kept!, ...(lookups ?? { hits: 0, misses: 0 }) }
    },
  }
}
