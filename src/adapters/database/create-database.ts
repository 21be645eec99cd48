import { and, eq, sql } from 'drizzle-orm'
import { drizzle, type AnyD1Database, type DrizzleD1Database } from 'drizzle-orm/d1'
import type {
  Database,
  DatasetBody,
  JudgeBody,
  JudgeTable,
  KeyBody,
  KeyTable,
  ModelBody,
  ResourceRow,
  Spent,
} from '../../core/database.ts'
import type { JudgmentCache } from '../../core/judges/score.ts'
import type { Clock } from '../../core/ports.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import { checkpointTable } from './checkpoint-table.ts'
import { jobTable } from './job-table.ts'
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
    judgments: judgmentCache(db, clock),
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
    async spend(id, { tokens, cost }) {
      const sum = (name: keyof Spent, more: number) =>
        sql`coalesce(json_extract(${t.body}, ${`$.spent.${name}`}), 0) + ${more}`
      const spent = sql`json_object('tokens', ${sum('tokens', tokens)}, 'cost', ${sum('cost', cost)})`
      const [row] = await db
        .update(t)
        .set({ body: sql`json_set(${t.body}, '$.spent', ${spent})` as never })
        .where(eq(t.id, id))
        .returning({ body: t.body })
      return row?.body.spent ?? { tokens, cost }
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
    async findByHash(sha256): Promise<ResourceRow<KeyBody> | null> {
      const [row] = await db.select().from(tables.keys).where(eq(tables.keys.sha256, sha256))
      return row && row.deletedAt === null ? row : null
    },
  }
}

function judgmentCache(db: DrizzleD1Database, clock: Clock): JudgmentCache {
  const t = tables.judgments
  return {
    async getMany(keys) {
      const rows = await db
        .select({ key: t.key, value: t.value })
        .from(t)
        .where(sql`${t.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`)
      return new Map(rows.map((row) => [row.key, row.value]))
    },
    async putMany(entries) {
      await db.run(sql`
        INSERT INTO judgments (key, value, created_at)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ${clock.now()}
        FROM json_each(${JSON.stringify([...entries])}) WHERE true ON CONFLICT (key) DO NOTHING`)
    },
  }
}
