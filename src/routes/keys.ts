import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { deleted, fields, listOf } from '../core/schemas/fields.ts'
import { createKey, key, keyWithSecret, OPERATOR_TENANT, tenant } from '../core/schemas/key.ts'
import { sha256Hex } from '../core/sha256.ts'
import type { KeyBody, ResourceRow } from '../service/database.ts'
import { findResource } from '../service/find-resource.ts'
import { newId } from '../service/ids.ts'
import { newKey } from '../service/keys.ts'
import { resourceHeader } from '../service/resource-header.ts'
import { page, pageQuery } from './http/page.ts'
import { route, type Caller } from './http/route.ts'

const show = (row: ResourceRow<KeyBody>) => ({
  ...resourceHeader(row, 'key'),
  tenant: row.tenant,
  scopes: row.body.scopes,
  path_token: row.body.path_token ?? false,
  rate: row.body.rate ?? null,
  budget: row.body.budget ?? null,
})

/** Whose keys are meant. @throws GavelError `forbidden` when a tenant names another */
function tenantFor(caller: Caller, given = caller.tenant): string {
  if (given === caller.tenant || caller.tenant === OPERATOR_TENANT) return given
  const message = "Only the operator's admin keys reach the keys of another tenant; leave `tenant` out."
  throw new GavelError('forbidden', message, { param: 'tenant' })
}

export const keyRoutes = [
  route({
    method: 'POST',
    path: '/v1/keys',
    operationId: 'createKey',
    tag: 'Keys',
    summary: 'Make an API key',
    description:
      'The secret is in this answer and nowhere else. Only its SHA-256 is kept. A key with a `rate` or a `budget` gets ' +
      'a 429 with `Retry-After` once it has used that up.',
    scope: 'admin',
    body: createKey,
    example: { name: 'trainer', scopes: ['judge'] },
    response: keyWithSecret,
    async handler({ deps, caller, body }) {
      const whose = tenantFor(caller, body.tenant)
      const secret = newKey(deps.entropy)
      const row = {
        id: newId('key', deps.entropy),
        tenant: whose,
        name: body.name ?? null,
        body: {
          scopes: [...new Set(body.scopes)],
          path_token: body.path_token,
          ...(body.rate && { rate: body.rate }),
          ...(body.budget && { budget: body.budget }),
        },
        secret: null,
        createdAt: deps.clock.now(),
      }
      return { ...show(await deps.database.keys.insert(row, await sha256Hex(secret))), key: secret }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/keys',
    operationId: 'listKeys',
    tag: 'Keys',
    summary: "List the tenant's API keys",
    scope: 'admin',
    query: pageQuery({ tenant: v.optional(tenant) }),
    response: listOf(key),
    handler: ({ deps, caller, query }) =>
      page(query, (p) => deps.database.keys.list(tenantFor(caller, query.tenant), p), show),
  }),
  route({
    method: 'DELETE',
    path: '/v1/keys/:id',
    operationId: 'revokeKey',
    tag: 'Keys',
    summary: 'Revoke an API key, at once',
    scope: 'admin',
    query: fields({ tenant: v.optional(tenant) }),
    response: deleted,
    async handler({ deps, caller, params, query }) {
      const whose = tenantFor(caller, query.tenant)
      const { id } = await findResource(deps.database, 'keys', whose, params.id, 'id')
      await deps.database.keys.remove(whose, id, deps.clock.now())
      return { id, object: 'key', deleted: true }
    },
  }),
]
