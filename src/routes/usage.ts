import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { listOf } from '../core/schemas/fields.ts'
import { OPERATOR_TENANT, tenant } from '../core/schemas/key.ts'
import { usage, type Usage } from '../core/schemas/usage.ts'
import type { UsageRow } from '../service/database.ts'
import { dayOf, usageId } from '../service/usage/usage-id.ts'
import { writeCounts } from '../service/usage/write-counts.ts'
import { page, pageQuery } from './http/page.ts'
import { route } from './http/route.ts'

const day = (description: string) => v.optional(v.pipe(v.string(), v.isoDate(), v.description(description)))

const show = (row: UsageRow): Usage => ({
  id: usageId(row),
  object: 'usage',
  day: row.day,
  key: row.payer || null,
  job: row.job || null,
  judge: row.judge || null,
  items: row.items,
  cached: row.cached,
  abstained: row.abstained,
  failed: row.failed,
  prompt_tokens: row.promptTokens,
  completion_tokens: row.completionTokens,
  uncounted: row.uncounted,
  cost: row.cost,
})

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/v1/usage',
    operationId: 'listUsage',
    tag: 'Keys',
    summary: 'What was used, by day, key, job and judge',
    description:
      'Newest day first. A key of scope `admin` sees its whole tenant (the operator’s also another `tenant`), any other ' +
      'only what it and the jobs that it made used. Complete up to a second ago, but for what waits while the database takes nothing.',
    scope: 'judge',
    query: pageQuery({
      from: day('First day, in UTC: `2026-11-01`. Default: the first of this month.'),
      to: day('Last day. Default: today.'),
      tenant: v.optional(tenant),
    }),
    response: listOf(usage),
    async handler({ deps, caller, query }) {
      const isAdmin = caller.scopes.includes('admin')
      const whose = query.tenant ?? caller.tenant
      if (whose !== caller.tenant && !(isAdmin && caller.tenant === OPERATOR_TENANT)) {
        const message = "Only the operator's admin keys see what another tenant uses; leave `tenant` out."
        throw new GavelError('forbidden', message, { param: 'tenant' })
      }
      // Where it cannot be written, what is there can be read all the same.
      await writeCounts(deps)
      const today = dayOf(deps.clock.now())
      const { from = `${today.slice(0, 8)}01`, to = today } = query
      const payer = isAdmin ? undefined : caller.key
      return page(query, (p) => deps.database.usage.list(whose, { ...p, from, to, payer }), show)
    },
  }),
]
