/** The building blocks every schema is made of: objects that name their unknown fields, bounded numbers and texts. */
import * as v from 'valibot'
import { hasLostDigits, LOST_DIGITS } from '../json.ts'

/** Longest prompt, question, answer, completion or template accepted anywhere, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 200_000
/** Most items of one judgments, verify or rewards request. */
export const MAX_ITEMS = 4096
/** Largest page of a list. */
export const MAX_PAGE = 1000

/** Valibot takes an array for an object; to JSON it is none. */
function noArray<S extends v.GenericSchema>(schema: S): S {
  const run = (...[dataset, config]: Parameters<S['~run']>) => {
    if (!Array.isArray(dataset.value)) return schema['~run'](dataset, config)
    v._addIssue(schema as never, 'type', dataset, config)
    return dataset
  }
  return { ...schema, '~run': run }
}

/** Names that Valibot leaves out without a word. */
const LOST = ['__proto__', 'prototype', 'constructor']

/** Refuses names that would be lost: what is missing then (an option, a column) would make the answer mean something else. */
function noLoss<S extends v.GenericSchema>(schema: S): S {
  const run = (...[dataset, config]: Parameters<S['~run']>) => {
    const { value } = dataset
    const lost = typeof value === 'object' && value !== null && LOST.find((name) => Object.hasOwn(value, name))
    if (!lost) return schema['~run'](dataset, config)
    const message = `has the name ${lost}, which cannot be used; give it another`
    v._addIssue({ ...schema, type: 'check' } as never, 'name', dataset, config, { message })
    return dataset
  }
  return { ...schema, '~run': run }
}

/** As Valibot's of these names, but an array is none: for what callers send. */
export const object = <const E extends v.ObjectEntries>(entries: E) => noArray(v.object(entries))
export const looseObject = <const E extends v.ObjectEntries>(entries: E) => noLoss(noArray(v.looseObject(entries)))
export const record = <V extends v.GenericSchema>(value: V) => noLoss(noArray(v.record(v.string(), value)))

/**
 * An object with exactly these fields: an unknown or a missing one is refused by name.
 * @param missing what to say of a field that is missing, where more is to be said than that
 */
export function fields<const E extends v.ObjectEntries>(entries: E, missing: Partial<Record<keyof E, string>> = {}) {
  const known = Object.keys(entries).join(', ')
  return noArray(
    v.strictObject(entries, (issue) => {
      if (issue.expected === 'never') return `is not a known field; remove it or use one of: ${known}`
      if (issue.received === 'undefined' && issue.path) {
        return missing[issue.path.at(-1)!.key as keyof E] ?? 'is missing; give it'
      }
      return `must be a JSON object with fields among: ${known}`
    }),
  )
}

/** An array of so many; one that is too long is refused before its members are looked at. */
export function list<const S extends v.GenericSchema>(item: S, min: number, max: number) {
  const schema = v.pipe(v.array(item), v.minLength(min), v.maxLength(max))
  const lengths = v.pipe(v.array(v.unknown()), v.maxLength(max))
  const run = (...[dataset, config]: Parameters<(typeof schema)['~run']>) =>
    Array.isArray(dataset.value) && dataset.value.length > max
      ? (lengths['~run'](dataset, config) as ReturnType<(typeof schema)['~run']>)
      : schema['~run'](dataset, config)
  return { ...schema, '~run': run } as typeof schema
}

/** A whole number in [min, max]. */
export const integer = (min: number, max: number, description: string) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max), v.description(description))

/** A finite number in [min, max]. */
export const number = (min: number, max: number, description: string) =>
  v.pipe(v.number(), v.minValue(min), v.maxValue(max), v.description(description))

export const boolean = (description: string) => v.pipe(v.boolean(), v.description(description))

/** An answer known to be right: a text, or what JSON has in its place in people's files, which becomes one. */
export const gold = (description: string) =>
  v.pipe(
    v.union([
      text(description),
      v.pipe(
        v.number(),
        v.check((number) => !hasLostDigits(number), LOST_DIGITS),
      ),
      v.boolean(),
    ]),
    v.transform(String),
    v.description(description),
  )

/** A text of at most {@link MAX_TEXT_LENGTH} code units; may be empty. */
export const text = (description: string) =>
  v.pipe(v.string(), v.maxLength(MAX_TEXT_LENGTH), v.description(description))

/**
 * What a model wrote, as a trainer sends it: where that is refused for its length the trainer stops, so it may be as long
 * as models of long contexts write.
 */
export const rollout = (description: string) =>
  v.pipe(v.string(), v.maxLength(10 * MAX_TEXT_LENGTH), v.description(description))

/** A short, non-empty text without control characters: a label, a host's own name for a model, a path. */
export const shortText = (description: string, max = 512) =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(max),
    v.regex(/^[^\u0000-\u001f\u007f]*$/, 'must not contain control characters'),
    v.description(description),
  )

/** What {@link name} looks like. */
export const NAME = /^(?!(job|judge|ds|ckpt|model|reward|key)_)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** A user's own name for a resource. It may not look like an id, so that a reference is never ambiguous. */
export const name = v.pipe(
  v.string(),
  v.regex(
    NAME,
    'must be 1 to 128 letters, digits, dots, dashes or underscores, and must not begin like an id (job_, judge_, ds_, …)',
  ),
  v.description('A name of yours. The newest resource with a name is what the name stands for.'),
)

/** A reference to a resource by id or by name. */
export const reference = (description: string) =>
  v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be the id or the name of a resource'),
    v.description(description),
  )

export const sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits'),
  v.description('SHA-256 of the bytes, in lower-case hexadecimal.'),
)

export const version = v.pipe(v.number(), v.description('1 for the first of a name; grows with each new one.'))
export const unixSeconds = v.pipe(v.number(), v.description('Unix time in seconds.'))

/** A JSON value of any shape, as the caller sent it. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export const jsonObject = (description: string) =>
  v.pipe(record(v.unknown()), v.description(description)) as unknown as v.GenericSchema<Record<string, Json>>

export const message = fields({
  role: v.picklist(['system', 'user', 'assistant']),
  content: text('What was said.'),
})
export type Message = v.InferOutput<typeof message>

/** A page of resources, in OpenAI's shape. */
export const listOf = <S extends v.GenericSchema>(item: S) =>
  v.object({ object: v.literal('list'), data: v.array(item), has_more: v.boolean() })

/** What a delete answers. */
export const deleted = v.object({ id: v.string(), object: v.string(), deleted: v.literal(true) })
