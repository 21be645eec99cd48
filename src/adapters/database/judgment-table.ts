import { eq, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { CachedJudgment } from '../../core/judges/score-items.ts'
import type { Clock } from '../../core/ports.ts'
import type { JudgmentTable } from '../../service/database.ts'
import { judgmentLookups, judgments } from './tables.ts'

/** Many go in and out at once, as one JSON parameter: D1 allows 100 parameters a statement. */
export function judgmentTable(db: DrizzleD1Database, clock: Clock): JudgmentTable {
  const t = judgments
  return {
    async getMany(_judge, keys) {
      const rows = await db
        .select({ key: t.key, value: t.value })
        .from(t)
        .where(sql`${t.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`)
      return new Map(rows.map((row) => [row.key, row.value]))
    },

    // A judgment that is there already stays, and is the one answered: DO NOTHING would return no row for it. Without
    // WHERE, SQLite would take ON for that of a join.
    async putMany(judge, entries) {
      const rows = await db.all<{ key: string; value: string }>(sql`
        INSERT INTO judgments (key, value, created_at, judge)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ${clock.now()}, ${judge}
        FROM json_each(${JSON.stringify([...entries])}) WHERE true
        ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING key, value`)
      return new Map(rows.map(({ key, value }) => [key, JSON.parse(value) as CachedJudgment]))
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
