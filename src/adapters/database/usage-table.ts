import { and, asc, between, desc, eq, gte, lt, ne, or, sql, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { AnySQLiteColumn } from 'drizzle-orm/sqlite-core'
import { GavelError } from '../../core/errors.ts'
import type { UsageRow, UsageTable } from '../../service/database.ts'
import { addToSpent } from './judge-spending.ts'
import { paged } from './resource-table.ts'
import { jobs, usage } from './tables.ts'

const plus = (column: AnySQLiteColumn) => sql`${column} + excluded.${sql.identifier(column.name)}`
/** What comes of a row that is there already. */
const ADDED = {
  items: plus(usage.items),
  cached: plus(usage.cached),
  abstained: plus(usage.abstained),
  failed: plus(usage.failed),
  promptTokens: plus(usage.promptTokens),
  completionTokens: plus(usage.completionTokens),
  cost: plus(usage.cost),
}

export function usageTable(db: DrizzleD1Database): UsageTable {
  const t = usage
  /** A statement that adds rows to what there is, where a condition holds. */
  const addWhere = (rows: readonly UsageRow[], condition: SQL) =>
    db
      .insert(t)
      .select(
        sql`SELECT value ->> 'tenant', value ->> 'day', value ->> 'payer', value ->> 'judge', value ->> 'job',
          value ->> 'items', value ->> 'cached', value ->> 'abstained', value ->> 'failed', value ->> 'promptTokens',
          value ->> 'completionTokens', value ->> 'cost'
        FROM json_each(${JSON.stringify(rows)}) WHERE ${condition}`,
      )
      .onConflictDoUpdate({ target: [t.tenant, t.day, t.payer, t.judge, t.job], set: ADDED })

  return {
    async add(rows) {
      await addWhere(rows, sql`true`)
    },

    async addReport({ job, fence, number }, row, spent) {
      const isNew = sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${job} AND fence = ${fence} AND usage_reports < ${number})`
      // The first that runs decides, and the last makes it no news any more: all of it is one transaction.
      const noted = db
        .update(jobs)
        .set({ usageReports: number })
        .where(and(eq(jobs.id, job), isNew))
        .returning({ id: jobs.id })
      const added = addWhere([row], isNew)
      const results = spent
        ? await db.batch([added, addToSpent(db, row.judge, spent, isNew), noted])
        : await db.batch([added, noted])
      return (results.at(-1) as unknown[]).length > 0
    },

    async spent({ tenant, key }, sinceDay) {
      const total = (column: AnySQLiteColumn) => sql<number>`coalesce(sum(${column}), 0)`
      const [row] = await db
        .select({
          items: total(t.items),
          cached: total(t.cached),
          abstained: total(t.abstained),
          failed: total(t.failed),
          promptTokens: total(t.promptTokens),
          completionTokens: total(t.completionTokens),
          cost: total(t.cost),
        })
        .from(t)
        .where(and(eq(t.tenant, tenant), eq(t.payer, key), gte(t.day, sinceDay), ne(t.judge, '')))
      // Sums over all rows are one row, also where there are none.
      return row!
    },

    async list(tenant, { after, limit, from, to, payer }) {
      const rows = await db
        .select()
        .from(t)
        .where(
          and(
            eq(t.tenant, tenant),
            between(t.day, from, to),
            payer === undefined ? undefined : eq(t.payer, payer),
            after === undefined ? undefined : beyond(after),
          ),
        )
        .orderBy(desc(t.day), asc(t.payer), asc(t.judge), asc(t.job))
        .limit(limit + 1)
      return paged(rows, limit)
    },
  }

  function beyond(after: string) {
    const [day, payer, judge, job = '', more] = after.split('/')
    if (day === undefined || payer === undefined || judge === undefined || more !== undefined) {
      throw new GavelError('not_found', '`after` must be the id of the last row of the page before.', {
        param: 'after',
      })
    }
    const later = sql`(${t.payer}, ${t.judge}, ${t.job}) > (${payer}, ${judge}, ${job})`
    return or(lt(t.day, day), and(eq(t.day, day), later))
  }
}
