import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import { newId } from '../core/ids.ts'
import { newKey, sha256Hex } from '../core/keys.ts'
import type { KeyBody, ResourceRow } from '../core/database.ts'
import { createKey, key, keyWithSecret, OPERATOR_TENANT } from '../core/schemas/key.ts'
import { deleted, listOf } from '../core/schemas/fields.ts'
import { common, page, pageQuery } from './lists.ts'
import { route } from './route.ts'

const show = (row: ResourceRow<KeyBody>) => ({ ...common(row, 'key'), tenant: row.tenant, scopes: row.body.scopes })

export const keyRoutes = [
  route({
    method: 'POST',
    path: '/v1/keys',
    operationId: 'createKey',
    tag: 'Keys',
    summary: 'Make an API key',
    description: 'The secret is in this answer and nowhere else. Only its SHA-256 is kept.',
    scope: 'admin',
    body: createKey,
    example: { name: 'trainer', scopes: ['judge'] },
    response: keyWithSecret,
    async handler({ deps, caller, body }) {
      const tenant = body.tenant ?? caller.tenant
      if (tenant !== caller.tenant && caller.tenant !== OPERATOR_TENANT) {
        const message = "Only the operator's admin keys make keys for another tenant; leave `tenant` out."
        throw new GavelError('forbidden', message, { param: 'tenant' })
      }
      const secret = newKey(deps.entropy)
      const row = {
        id: newId('key', deps.entropy),
        tenant,
        name: body.name ?? null,
        body: { scopes: [...new Set(body.scopes)] },
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
    query: pageQuery(),
    response: listOf(key),
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.keys.list(caller.tenant, p), show),
  }),
  route({
    method: 'DELETE',
    path: '/v1/keys/:id',
    operationId: 'revokeKey',
    tag: 'Keys',
    summary: 'Revoke an API key, at once',
    scope: 'admin',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id } = await findResource(deps.database, 'keys', caller.tenant, params.id, 'id')
      await deps.database.keys.remove(caller.tenant, id, deps.clock.now())
      return { id, object: 'key', deleted: true }
    },
  }),
]
