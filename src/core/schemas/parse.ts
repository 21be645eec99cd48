import * as v from 'valibot'
import { GavelError } from '../errors.ts'

/** Checks of which the description of the API says nothing, or not all. */
const BEYOND_SCHEMAS = new Set(['check', 'partial_check', 'raw_check', 'url'])

/**
 * Checks a value against a schema and returns what the schema makes of it (defaults filled in).
 * @param prefix where the value stood, e.g. `body` or `line 3`; only used when the value as a whole is wrong
 * @throws GavelError naming the first wrong field, what was expected and what came: `invalid_request` for what a caller
 *   can read in the API's description, `unprocessable` for rules that JSON Schema cannot say
 */
export function parse<S extends v.GenericSchema>(schema: S, value: unknown, prefix = 'body'): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  const issue = deepest(result.issues[0])
  const field = fieldPath(issue) || prefix
  const code = BEYOND_SCHEMAS.has(issue.type) ? 'unprocessable' : 'invalid_request'
  throw new GavelError(code, `\`${field}\` ${explain(issue)}.`, { param: field })
}

/** Of a union's alternatives, the issue of the one that came furthest, the first of several; else the issue itself. */
function deepest(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  // What has the right type, and then breaks a rule, has come further than what has another type.
  const depth = ({ path, type }: v.BaseIssue<unknown>) => 2 * (path?.length ?? 0) + (BEYOND_SCHEMAS.has(type) ? 1 : 0)
  const inner = (issue.issues ?? []).map((other) =>
    deepest({ ...other, path: [...(issue.path ?? []), ...(other.path ?? [])] } as v.BaseIssue<unknown>),
  )
  return inner.reduce((best, other) => (depth(other) > depth(best) ? other : best), issue)
}

/** `items[3].question`, as the caller would write it; at most 200 characters. */
function fieldPath(issue: v.BaseIssue<unknown>): string {
  let path = ''
  for (const item of issue.path ?? []) {
    path += typeof item.key === 'number' ? `[${item.key}]` : path ? `.${String(item.key)}` : String(item.key)
  }
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}

/** Valibot's own messages ("Invalid type: Expected …") are turned into a sentence; ours are sentences already. */
function explain(issue: v.BaseIssue<unknown>): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message
  if (issue.received === 'undefined' && issue.path) return 'is missing; give it'
  const expected = (issue.expected ?? issue.type).replace(/^\((.*)\)$/s, '$1').replaceAll(' | ', ' or ')
  const received = issue.received.length > 80 ? `${issue.received.slice(0, 80)}…` : issue.received
  if (expected === 'never') return 'is one too many; leave it out'
  const measure = /length|bytes|size/.test(issue.type) ? 'have a length of' : 'be'
  return `must ${measure} ${expected}, but was ${received}; correct it`
}
