/** API keys: who may do what, for which tenant. */
import * as v from 'valibot'
import { fields, name, unixSeconds } from './fields.ts'

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

export const createKey = fields({
  name: v.optional(name),
  scopes: v.pipe(v.array(v.picklist(SCOPES)), v.minLength(1), v.maxLength(SCOPES.length)),
  tenant: v.optional(tenant),
})

export const key = v.object({
  id: v.string(),
  object: v.literal('key'),
  name: v.nullable(v.string()),
  tenant: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  created_at: unixSeconds,
})
export type Key = v.InferOutput<typeof key>

export const keyWithSecret = v.object({
  ...key.entries,
  key: v.pipe(v.string(), v.description('The secret, shown this once.')),
})
