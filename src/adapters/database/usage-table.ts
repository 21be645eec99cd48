import { and, asc, between, desc, eq, gte, lt, ne, not, or, sql, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { AnySQLiteColumn } from 'drizzle-orm/sqlite-core'
import { GavelError } from '../../core/errors.ts'
import { RESERVATION_MS, type Entry, type Payer, type UsageRow, type UsageTable } from '../../service/database.ts'
import { addToSpent } from './judge-spending.ts'
import { paged } from './resource-table.ts'
import { jobs, judgments, reservations, usage, usageEntries } from './tables.ts'

/** What a column can hold, in SQLite as an integer and in JavaScript exactly: sums stay there instead of becoming unreadable. */
const MOST = sql.raw(String(Number.MAX_SAFE_INTEGER))
const plus = (column: AnySQLiteColumn) => sql`min(${column} + excluded.${sql.identifier(column.name)}, ${MOST})`
/** What comes of a row that is there already. */
const ADDED = {
  items: plus(usage.items),
  cached: plus(usage.cached),
  abstained: plus(usage.abstained),
  failed: plus(usage.failed),
  promptTokens: plus(usage.promptTokens),
  completionTokens: plus(usage.completionTokens),
  uncounted: plus(usage.uncounted),
  cost: plus(usage.cost),
}

/** How long it is remembered what was entered, in ms: nobody sends an entry again after that. */
const REMEMBER_MS = 24 * 3600_000

const partsOf = (id: string) => `${id}/parts`

/** `total` and not `sum`, which fails where integers overflow. */
const total = (column: AnySQLiteColumn) => sql<number>`min(total(${column}), ${MOST})`
/** A reservation that is not over. One far in the future is of a clock that ran ahead. */
const holds = (now: number) => between(reservations.expiresAt, now, now + 2 * RESERVATION_MS)

export function usageTable(db: DrizzleD1Database): UsageTable {
  const t = usage
  /** A statement that adds rows to what there is, where a condition holds. */
  const addWhere = (rows: readonly UsageRow[], condition: SQL) =>
    db
      .insert(t)
      .select(
        sql`SELECT value ->> 'tenant', value ->> 'day', value ->> 'payer', value ->> 'judge', value ->> 'job',
          value ->> 'items', value ->> 'cached', value ->> 'abstained', value ->> 'failed', value ->> 'promptTokens',
          value ->> 'completionTokens', value ->> 'uncounted', value ->> 'cost'
        FROM json_each(${JSON.stringify(rows)}) WHERE ${condition}`,
      )
      .onConflictDoUpdate({ target: [t.tenant, t.day, t.payer, t.judge, t.job], set: ADDED })
  const ofPayer = ({ tenant, key }: Payer, sinceDay: string) =>
    and(eq(t.tenant, tenant), eq(t.payer, key), gte(t.day, sinceDay), ne(t.judge, ''))
  const reservedFor = ({ tenant, key }: Payer, now: number) =>
    and(eq(reservations.tenant, tenant), eq(reservations.payer, key), holds(now))

  return {
    async enter({ ids, rows, spent, judgments: judged, released }, now) {
      const [own, ...whole] = ids as [string, ...string[]]
      // One that is entered in parts is no longer entered whole, should it have been on its way all the time.
      const known = JSON.stringify([...ids, partsOf(own)])
      const noted = [own, ...whole.map(partsOf)].map((id) => ({ id, createdAt: now }))
      const isNew = sql`NOT EXISTS (SELECT 1 FROM usage_entries WHERE id IN (SELECT value FROM json_each(${known})))`
      const counted = rows.length + spent.length > 0
      const statements = [
        ...(rows.length > 0 ? [addWhere(rows, isNew)] : []),
        ...spent.map(({ judge, ...more }) => addToSpent(db, judge, more, isNew)),
        ...(judged.length > 0 ? [keep(judged, now)] : []),
        ...(released.length > 0 ? [forget(released, now)] : []),
        // The last of all: the others look whether it is there.
        ...(counted ? [db.insert(usageEntries).values(noted).onConflictDoNothing()] : []),
        ...(counted ? [db.delete(usageEntries).where(lt(usageEntries.createdAt, now - REMEMBER_MS))] : []),
      ]
      const [first, ...rest] = statements
      if (first) await db.batch([first, ...rest])
    },

    async reserve({ id, payer, items, sinceDay, unwritten, now }, budget) {
      const { items: most, tokens, cost } = budget
      const used = (sum: SQL) => sql`(SELECT ${sum} FROM ${t} WHERE ${ofPayer(payer, sinceDay)})`
      const held = sql`(SELECT total(${reservations.items}) FROM ${reservations} WHERE ${reservedFor(payer, now)})`
      const [more, moreTokens] = [
        unwritten.items - unwritten.cached,
        unwritten.promptTokens + unwritten.completionTokens,
      ]
      const allows = [
        most !== undefined && sql`${used(sql`total(${t.items} - ${t.cached})`)} + ${held} + ${more + items} <= ${most}`,
        tokens !== undefined &&
          sql`${used(sql`total(${t.promptTokens} + ${t.completionTokens})`)} + ${moreTokens} < ${tokens}`,
        cost !== undefined && sql`${used(sql`total(${t.cost})`)} + ${unwritten.cost} < ${cost}`,
      ].filter((condition) => condition !== false)
      const made = await db
        .insert(reservations)
        .select(
          sql`SELECT ${id}, ${payer.tenant}, ${payer.key}, ${items}, ${now + RESERVATION_MS}
          WHERE ${sql.join(allows, sql` AND `)}`,
        )
        .returning({ id: reservations.id })
      return made.length > 0
    },

    async renew(ids, now) {
      await db
        .update(reservations)
        .set({ expiresAt: now + RESERVATION_MS })
        .where(isOneOf(ids))
    },

    async reserved(payer, now) {
      const [row] = await db
        .select({ items: total(reservations.items) })
        .from(reservations)
        .where(reservedFor(payer, now))
      return row!.items
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

    async spent(payer, sinceDay) {
      const [row] = await db
        .select({
          items: total(t.items),
          cached: total(t.cached),
          abstained: total(t.abstained),
          failed: total(t.failed),
          promptTokens: total(t.promptTokens),
          completionTokens: total(t.completionTokens),
          uncounted: total(t.uncounted),
          cost: total(t.cost),
        })
        .from(t)
        .where(ofPayer(payer, sinceDay))
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

  /** A statement that keeps judgments: what is there already stays. Many go in at once, as one JSON parameter. */
  function keep(judged: Entry['judgments'], now: number) {
    const values = judged.map(({ key, judge, value }) => [key, value, judge])
    return db
      .insert(judgments)
      .select(
        sql`SELECT value ->> 0, value -> 1, ${now}, value ->> 2 FROM json_each(${JSON.stringify(values)}) WHERE true`,
      )
      .onConflictDoNothing()
  }

  /** A statement that forgets reservations, and all that are over anyway. */
  function forget(ids: readonly string[], now: number) {
    return db.delete(reservations).where(or(isOneOf(ids), not(holds(now))))
  }

  function isOneOf(ids: readonly string[]) {
    return sql`${reservations.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
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
