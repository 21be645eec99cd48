/** API keys: who may do what, for which tenant. */
import * as v from 'valibot'
import { boolean, fields, name, unixSeconds } from './fields.ts'

/** `admin` may do everything the others may, and manage keys. */
export const SCOPES = ['judge', 'data', 'train', 'worker', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** The tenant of the operator: its admin keys make keys for any tenant, its workers serve the jobs of all. */
export const OPERATOR_TENANT = 'default'

export const tenant = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 lower-case letters, digits or dashes'),
  v.description("Whose. Only the operator's admin keys may name another tenant than their own."),
)

export const createKey = v.pipe(
  fields({
    name: v.optional(name),
    scopes: v.pipe(v.array(v.picklist(SCOPES)), v.minLength(1), v.maxLength(SCOPES.length)),
    tenant: v.optional(tenant),
    path_token: v.optional(
      boolean(
        'Whether the key may also stand in a URL, `/t/{key}/compat/…`, for clients that send no headers. URLs get into ' +
          'logs, so such a key has the scope `judge` alone. Default false.',
      ),
      false,
    ),
  }),
  v.forward(
    v.partialCheck(
      [['scopes'], ['path_token']],
      ({ scopes, path_token }) => !path_token || scopes.every((scope) => scope === 'judge'),
      'must be ["judge"] for a key that may stand in a URL: URLs get into logs; make other keys without `path_token`',
    ),
    ['scopes'],
  ),
)

export const key = v.object({
  id: v.string(),
  object: v.literal('key'),
  name: v.nullable(v.string()),
  tenant: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  path_token: v.pipe(v.boolean(), v.description('Whether it may stand in a URL.')),
  created_at: unixSeconds,
})
export type Key = v.InferOutput<typeof key>

export const keyWithSecret = v.object({
  ...key.entries,
  key: v.pipe(v.string(), v.description('The secret, shown this once.')),
})
