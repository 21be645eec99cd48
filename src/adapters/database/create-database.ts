import { and, eq, sql } from 'drizzle-orm'
import { drizzle, type AnyD1Database, type DrizzleD1Database } from 'drizzle-orm/d1'
import type { CachedJudgment } from '../../core/judges/score.ts'
import type { Clock } from '../../core/ports.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type {
  Database,
  DatasetBody,
  JudgeBody,
  JudgeTable,
  JudgmentTable,
  KeyBody,
  KeyTable,
  ModelBody,
  ResourceRow,
} from '../../service/database.ts'
import { checkpointTable } from './checkpoint-table.ts'
import { jobTable } from './job-table.ts'
import { addToSpent } from './judge-spending.ts'
import { rateWindowsTable } from './rate-windows-table.ts'
import { resourceTable } from './resource-table.ts'
import * as tables from './tables.ts'
import { usageTable } from './usage-table.ts'

/** The database port over D1, or over anything of D1's shape. */
export function createDatabase(d1: AnyD1Database, clock: Clock): Database {
  const db = drizzle(d1)
  return {
    keys: keyTable(db),
    judges: judgeTable(db),
    recipes: resourceTable<RewardRecipe>(db, tables.recipes),
    datasets: resourceTable<DatasetBody>(db, tables.datasets),
    models: resourceTable<ModelBody>(db, tables.models),
    jobs: jobTable(db),
    checkpoints: checkpointTable(db),
    judgments: judgmentTable(db, clock),
    usage: usageTable(db),
    rates: rateWindowsTable(db),
    async ping() {
      await db.run(sql`SELECT count(*) FROM jobs WHERE seq = 0`)
    },
  }
}

function judgeTable(db: DrizzleD1Database): JudgeTable {
  const t = tables.judges
  return {
    ...resourceTable<JudgeBody>(db, t),
    async annotate(tenant, id, finding) {
      const body = sql`json_set(${t.body}, '$.audit', json(${JSON.stringify(finding.audit)}))`
      await db
        .update(t)
        .set({ body: body as never })
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
    },
    async setBudget(tenant, id, budget) {
      const body = budget
        ? sql`json_set(${t.body}, '$.budget', json(${JSON.stringify(budget)}))`
        : sql`json_remove(${t.body}, '$.budget')`
      await db
        .update(t)
        .set({ body: body as never })
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
    },
    async spend(id, more) {
      const [row] = await addToSpent(db, id, more)
      return row?.body.spent ?? more
    },
  }
}

function keyTable(db: DrizzleD1Database): KeyTable {
  const { find, list, remove } = resourceTable<KeyBody>(db, tables.keys)
  return {
    find,
    list,
    remove,
    async insert(row, sha256) {
      return (
        await db
          .insert(tables.keys)
          .values({ ...row, version: 1, sha256 })
          .returning()
      )[0]
    },
    async budgetOf(tenant, id) {
      const t = tables.keys
      const [row] = await db
        .select({ body: t.body })
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.id, id)))
      return row?.body.budget
    },
    async findByHash(sha256): Promise<ResourceRow<KeyBody> | null> {
      const [row] = await db.select().from(tables.keys).where(eq(tables.keys.sha256, sha256))
      return row && row.deletedAt === null ? row : null
    },
  }
}

function judgmentTable(db: DrizzleD1Database, clock: Clock): JudgmentTable {
  const t = tables.judgments
  return {
    async getMany(_judge, keys) {
      const rows = await db
        .select({ key: t.key, value: t.value })
        .from(t)
        .where(sql`${t.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`)
      return new Map(rows.map((row) => [row.key, row.value]))
    },
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
      const { hits, misses } = tables.judgmentLookups
      const [lookups] = await db
        .select({ hits, misses })
        .from(tables.judgmentLookups)
        .where(eq(tables.judgmentLookups.judge, judge))
      return { ...kept, ...(lookups ?? { hits: 0, misses: 0 }) }
    },
  }
}
