import { and, asc, between, desc, eq, gte, lt, ne, or, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { AnySQLiteColumn } from 'drizzle-orm/sqlite-core'
import { GavelError } from '../../core/errors.ts'
import type { UsageTable } from '../../core/usage/usage.ts'
import { paged } from './resource-table.ts'
import { usage } from './tables.ts'

export function usageTable(db: DrizzleD1Database): UsageTable {
  const t = usage
  return {
    async add(rows) {
      await db.run(sql`
        INSERT INTO usage (tenant, day, payer, judge, job, items, cached, abstained, failed, prompt_tokens, completion_tokens, cost)
        SELECT value ->> 'tenant', value ->> 'day', value ->> 'payer', value ->> 'judge', value ->> 'job', value ->> 'items',
          value ->> 'cached', value ->> 'abstained', value ->> 'failed', value ->> 'promptTokens',
          value ->> 'completionTokens', value ->> 'cost'
        FROM json_each(${JSON.stringify(rows)}) WHERE true
        ON CONFLICT (tenant, day, payer, judge, job) DO UPDATE SET
          items = items + excluded.items, cached = cached + excluded.cached,
          abstained = abstained + excluded.abstained, failed = failed + excluded.failed,
          prompt_tokens = prompt_tokens + excluded.prompt_tokens,
          completion_tokens = completion_tokens + excluded.completion_tokens, cost = cost + excluded.cost`)
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
      return row
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
    if (judge !== undefined && more === undefined) {
      const later = sql`(${t.payer}, ${t.judge}, ${t.job}) > (${payer}, ${judge}, ${job})`
      return or(lt(t.day, day), and(eq(t.day, day), later))
    }
    throw new GavelError('not_found', '`after` must be the id of the last row of the page before.', {
      param: 'after',
    })
  }
}
