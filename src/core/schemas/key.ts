/** API keys: who may do what, for which tenant. */
import * as v from 'valibot'
import { boolean, fields, integer, name, number, unixSeconds } from './fields.ts'

/** `admin` may do everything the others may, and manage keys; `metrics` may read `/metrics`. */
export const SCOPES = ['judge', 'data', 'train', 'worker', 'metrics', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** The tenant of the operator: its admin keys make keys for any tenant, its workers serve the jobs of all. */
export const OPERATOR_TENANT = 'default'

export const tenant = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 lower-case letters, digits or dashes'),
  v.description("Whose. Only the operator's admin keys may name another tenant than their own."),
)

export const keyRate = fields({
  items: integer(1, 1_000_000_000, 'Most items (texts to score) in a window. A request without items counts as one.'),
  seconds: integer(1, 86_400, 'Length of the window.'),
})
export type KeyRate = v.InferOutput<typeof keyRate>

export const keyBudget = v.pipe(
  fields({
    items: v.optional(integer(1, 1e12, 'Items put before judges, but for those known from before.')),
    tokens: v.optional(integer(1, 1e15, "Tokens of judges' prompts and answers.")),
    cost: v.optional(number(1e-6, 1e9, 'US dollars, by the prices that judges were created with.')),
    per: v.pipe(v.picklist(['day', 'month']), v.description('When it is renewed: days and months of UTC.')),
  }),
  v.check(
    ({ items, tokens, cost }) => (items ?? tokens ?? cost) !== undefined,
    'caps nothing: give `items`, `tokens` or `cost`',
  ),
)
export type KeyBudget = v.InferOutput<typeof keyBudget>

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
    rate: v.optional(keyRate),
    budget: v.optional(keyBudget),
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
  rate: v.nullable(keyRate),
  budget: v.nullable(keyBudget),
  created_at: unixSeconds,
})
export type Key = v.InferOutput<typeof key>

export const keyWithSecret = v.object({
  ...key.entries,
  key: v.pipe(v.string(), v.description('The secret, shown this once.')),
})
