/** A route: schema, description and handler in one place. `app.ts` serves it, `openapi.ts` describes it. */
import type * as v from 'valibot'
import type { GavelError } from '../../core/errors.ts'
import type { KeyBudget, KeyRate, Scope } from '../../core/schemas/key.ts'
import type { Payer } from '../../service/database.ts'
import type { WorkBudget } from '../../core/work-budget.ts'
import type { Deps } from '../../service/deps.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Who asks. */
export interface Caller extends Payer {
  scopes: readonly Scope[]
  /** What the key may use; absent where it is not limited. */
  rate?: KeyRate | undefined
  budget?: KeyBudget | undefined
}

type Out<S> = S extends v.GenericSchema ? v.InferOutput<S> : undefined

/** What the parts of a path are called: `'id' | 'key'` of `/v1/worker/jobs/:id/objects/:key{.+}`. */
type ParamsOf<Path extends string> = Path extends `${infer Part}/${infer Rest}`
  ? ParamOf<Part> | ParamsOf<Rest>
  : ParamOf<Path>
type ParamOf<Part extends string> = Part extends `:${infer Name}{${string}}`
  ? Name
  : Part extends `:${infer Name}`
    ? Name
    : never

/** @typeParam Param what the parts of the path are called */
export interface RouteContext<Query = undefined, Body = undefined, Param extends string = never> {
  deps: Deps
  caller: Caller
  /** Parts of the path, decoded. */
  params: Record<Param, string>
  query: Query
  body: Body
  /** What may still be spent on the request. */
  work: WorkBudget
  /** The request itself, for bodies that are no JSON, headers and the signal. */
  request: Request
}

interface Description<Body> {
  method: Method
  /** In Hono's form: `/v1/jobs/:id`. */
  path: string
  /** Parts of the path that are more than a text. The handler checks them. */
  params?: v.ObjectEntries
  operationId: string
  tag: string
  summary: string
  description?: string
  /** What the key must be allowed; null for everyone without a key. */
  scope: Scope | null
  /** Whether the route is also served below {@link TOKEN_PREFIX}, for clients that send no headers. */
  pathToken?: boolean
  /** Most bytes of a JSON body. Default {@link MAX_JSON_BYTES}. */
  maxBytes?: number
  /** How many items a body brings to be scored, where that is not the length of its longest array. */
  items?(body: Body): number
  /** Bodies that are no JSON: media type to JSON schema. The handler reads them. */
  rawBody?: Record<string, Record<string, unknown>>
  /** Headers that the handler reads. */
  headers?: Record<string, v.GenericSchema>
  /** A request to show, for people to copy. */
  example?: unknown
  /** What comes back, as a schema, or as a media type where it is no JSON. */
  response: v.GenericSchema | { mediaType: string; description: string }
  /** Answers beside the one above, by status. */
  otherResponses?: Record<string, string>
  /** The form of this route's errors, where its clients know another than OpenAI's; `status` where they know others. */
  errorForm?: { schema: v.GenericSchema; show(error: GavelError): object; status?(error: GavelError): number }
}

/** Where a key stands in the URL. */
export const TOKEN_PREFIX = '/t/:token'

/** Most bytes of a JSON body. Well below what one value of the database may hold (2 MB on D1). */
export const MAX_JSON_BYTES = 1024 * 1024
/** The same for the routes that take up to 4,096 texts. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024

export interface Route extends Description<unknown> {
  query: v.GenericSchema | undefined
  body: v.GenericSchema | undefined
  /** Gives the JSON to answer, or a response of its own. */
  handler(context: RouteContext<unknown, unknown, string>): Promise<unknown>
}

/** Types a handler by the path and the schemas of its route. */
export function route<
  const P extends string,
  const Q extends v.GenericSchema | undefined = undefined,
  const B extends v.GenericSchema | undefined = undefined,
>(
  description: Description<Out<B>> & {
    path: P
    query?: Q
    body?: B
    handler(context: RouteContext<Out<Q>, Out<B>, ParamsOf<P>>): Promise<unknown>
  },
): Route {
  return { query: undefined, body: undefined, ...description }
}

/**
 * What a request counts for against its key's rate: the items of a request that scores, which is the longest array of
 * its body in most dialects; 1 for all others, and at least.
 */
export function unitsOf({ scope, method, items }: Route, body: unknown): number {
  if (items) return Math.max(1, items(body))
  if (scope !== 'judge' || method !== 'POST' || typeof body !== 'object' || body === null) return 1
  const arrays = Array.isArray(body) ? [body] : Object.values(body).filter((value) => Array.isArray(value))
  return arrays.reduce((most, { length }) => Math.max(most, length), 1)
}
