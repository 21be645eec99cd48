import { linearPattern, type LinearPattern } from './linear-pattern.ts'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
type JsonObject = { [key: string]: JsonValue }

/** Limits on a schema and on one check of a value. */
const MAX_SUBSCHEMAS = 5000
const MAX_DEPTH = 100
const MAX_STEPS = 5_000_000
/** Instructions that all patterns of a schema may come to. */
const MAX_PATTERNS = 16_000

/** A schema that cannot be used; the message says where in it, and why. */
export class SchemaError extends Error {}
class TooMuch extends Error {}

export interface JsonSchema {
  /** What of the value breaks the schema first, with its place; null where it meets it. */
  failure(value: JsonValue): string | null
}

/**
 * A JSON Schema of draft 2020-12, for validation: `format`, `title` and the like say nothing. Neither schema nor value
 * can make a check take long. `$ref` leads to places in the schema itself.
 * @throws SchemaError for one that is malformed, too large, or uses what is not supported
 */
export function compileSchema(schema: JsonValue): JsonSchema {
  const root = new Schema(schema)
  return {
    failure(value) {
      try {
        return root.failure(value)
      } catch (error) {
        if (error instanceof TooMuch) return error.message
        throw error
      }
    },
  }
}

interface Place {
  value: JsonValue
  /** JSON pointer of the value. */
  path: string
  /** The schema the keyword stands in. */
  beside: JsonObject
  depth: number
}
type Check = (value: JsonValue, place: string) => void
/** Adds to a failure where it is. */
const at = (path: string, what: string) => `${path || 'the value'} ${what}`

class Schema {
  private readonly root: JsonValue
  private readonly patterns = new Map<string, LinearPattern>()
  private readonly references = new Map<string, JsonValue>()
  private subschemas = 0
  private instructions = 0
  private steps = 0
  /** What was found already, of this value: a schema that many others lead to is tested once at each place. */
  private known = new Map<JsonObject, Map<JsonValue, Map<string, string | null>>>()

  constructor(root: JsonValue) {
    this.root = root
    this.check(root, '#', 0)
    for (const pointer of this.references.keys()) {
      const target = this.find(pointer)
      if (target === undefined) throw new SchemaError(`$ref ${pointer}: nothing is there in the schema`)
      if (!isObject(target) && typeof target !== 'boolean') throw new SchemaError(`$ref ${pointer}: is no schema`)
      this.references.set(pointer, target)
    }
  }

  failure(value: JsonValue): string | null {
    this.steps = 0
    this.known = new Map()
    return this.test(this.root, { value, path: '', depth: 0 })
  }

  private readonly spend = (steps: number) => {
    this.steps += steps
    if (this.steps > MAX_STEPS) throw new TooMuch('the check is too long: schema and value are too large together')
  }

  // What a schema may say

  private check(schema: JsonValue, place: string, depth: number): void {
    if (typeof schema === 'boolean') return
    if (!isObject(schema)) throw new SchemaError(`${place}: a schema is an object, true or false`)
    if (++this.subschemas > MAX_SUBSCHEMAS) throw new SchemaError(`it has more than ${MAX_SUBSCHEMAS} parts`)
    if (depth > MAX_DEPTH) throw new SchemaError(`${place}: nested too deeply`)
    const inner: Check = (part, where) => this.check(part, where, depth + 1)
    for (const [keyword, value] of Object.entries(schema)) {
      const where = `${place}/${keyword}`
      if (UNSUPPORTED.has(keyword)) throw new SchemaError(`${where}: is not supported; say it without`)
      if (SUBSCHEMA.has(keyword)) inner(value, where)
      else if (SUBSCHEMA_LISTS.has(keyword)) {
        if (!Array.isArray(value) || value.length === 0) throw new SchemaError(`${where}: must be a list of schemas`)
        value.forEach((part, i) => inner(part, `${where}/${i}`))
      } else if (SUBSCHEMA_MAPS.has(keyword)) {
        if (!isObject(value)) throw new SchemaError(`${where}: must be an object of schemas`)
        for (const [name, part] of Object.entries(value)) inner(part, `${where}/${name}`)
        if (keyword === 'patternProperties') for (const name of Object.keys(value)) this.compile(name, where)
      } else if (Object.hasOwn(FORMS, keyword)) {
        const [fits, must] = FORMS[keyword]!
        if (!fits(value)) throw new SchemaError(`${where}: must be ${must}`)
        if (keyword === 'pattern') this.compile(value as string, where)
        if (keyword === '$ref') this.references.set(value as string, true)
      }
    }
  }

  private compile(pattern: string, place: string): void {
    if (this.patterns.has(pattern)) return
    try {
      const compiled = linearPattern(pattern)
      this.patterns.set(pattern, compiled)
      this.instructions += compiled.size
    } catch (error) {
      throw new SchemaError(`${place}: the pattern ${JSON.stringify(pattern)} ${(error as Error).message}`)
    }
    if (this.instructions > MAX_PATTERNS)
      throw new SchemaError(`${place}: all patterns together are too large; use fewer, or shorter ones`)
  }

  private find(pointer: string): JsonValue | undefined {
    let found: JsonValue | undefined = this.root
    for (const step of pointer.split('/').slice(1)) {
      const key = decodeURIComponent(step.replace(/%(?![\dA-Fa-f]{2})/g, '%25'))
        .replace(/~1/g, '/')
        .replace(/~0/g, '~')
      if (found === null || typeof found !== 'object' || !Object.hasOwn(found, key)) return undefined
      found = (found as JsonObject)[key]
    }
    return found
  }

  // What it says of a value

  private test(schema: JsonValue, { value, path, depth }: Omit<Place, 'beside'>): string | null {
    this.spend(8)
    if (schema === true) return null
    if (schema === false) return at(path, 'is not allowed')
    if (depth > MAX_DEPTH) throw new TooMuch('the value, or the schema for it, is nested too deeply')
    const beside = schema as JsonObject
    const known = this.foundAt(beside, value)
    const before = known.get(path)
    if (before !== undefined) return before
    const failed = this.testKeywords(beside, { value, path, depth })
    known.set(path, failed)
    return failed
  }

  private foundAt(schema: JsonObject, value: JsonValue): Map<string, string | null> {
    const values = this.known.get(schema) ?? new Map<JsonValue, Map<string, string | null>>()
    this.known.set(schema, values)
    const paths = values.get(value) ?? new Map<string, string | null>()
    values.set(value, paths)
    return paths
  }

  private testKeywords(beside: JsonObject, { value, path, depth }: Omit<Place, 'beside'>): string | null {
    for (const [keyword, wanted] of Object.entries(beside)) {
      this.spend(4)
      const rule = Object.hasOwn(this.rules, keyword) ? this.rules[keyword] : undefined
      const failed = rule?.(wanted, { value, path, beside, depth }) ?? null
      if (failed !== null) return failed
    }
    return null
  }

  private properties(value: JsonValue): number | null {
    if (!isObject(value)) return null
    const { length } = Object.keys(value)
    this.spend(length / 16)
    return length
  }

  private length(value: JsonValue): number | null {
    if (typeof value !== 'string') return null
    this.spend(value.length)
    return [...value].length
  }

  private matches(pattern: string, text: string): boolean {
    return this.patterns.get(pattern)!.test(text, this.spend)
  }

  private canonical(value: JsonValue): string {
    const text = canonical(value, 0)
    this.spend(12 + text.length / 4)
    return text
  }

  /** By keyword: what breaks it, or null. A keyword for another type of value is met. */
  private readonly rules: Record<string, (rule: JsonValue, place: Place) => string | null> = {
    $ref: (pointer, place) => this.test(this.references.get(pointer as string)!, deeper(place)),
    type: (types, { value, path }) =>
      [types].flat().some((type) => isType(value, type as string))
        ? null
        : at(path, `must be ${[types].flat().join(' or ')}`),
    enum: (options, { value, path }) => {
      const text = this.canonical(value)
      return (options as JsonValue[]).some((option) => this.canonical(option) === text)
        ? null
        : at(path, 'is none of the values allowed')
    },
    const: (only, { value, path }) =>
      this.canonical(only) === this.canonical(value) ? null : at(path, `must be ${JSON.stringify(only).slice(0, 80)}`),

    allOf: (parts, place) => first(parts as JsonValue[], (part) => this.test(part, deeper(place))),
    anyOf: (parts, place) =>
      (parts as JsonValue[]).some((part) => this.test(part, deeper(place)) === null)
        ? null
        : at(place.path, 'meets none of anyOf'),
    oneOf: (parts, place) => {
      const met = (parts as JsonValue[]).filter((part) => this.test(part, deeper(place)) === null).length
      return met === 1 ? null : at(place.path, `meets ${met} of oneOf, not one`)
    },
    not: (part, place) => (this.test(part, deeper(place)) === null ? at(place.path, 'meets what it must not') : null),
    if: (part, place) => {
      const branch = place.beside[this.test(part, deeper(place)) === null ? 'then' : 'else']
      return branch === undefined ? null : this.test(branch, deeper(place))
    },

    minimum: number((limit, value) => value >= limit, 'at least'),
    maximum: number((limit, value) => value <= limit, 'at most'),
    exclusiveMinimum: number((limit, value) => value > limit, 'above'),
    exclusiveMaximum: number((limit, value) => value < limit, 'below'),
    multipleOf: number(isMultiple, 'a multiple of'),

    minLength: size((value) => this.length(value), 'at least', 'characters'),
    maxLength: size((value) => this.length(value), 'at most', 'characters'),
    pattern: (pattern, { value, path }) =>
      typeof value !== 'string' || this.matches(pattern as string, value)
        ? null
        : at(path, `must match ${pattern as string}`),

    minItems: size((value) => (Array.isArray(value) ? value.length : null), 'at least', 'items'),
    maxItems: size((value) => (Array.isArray(value) ? value.length : null), 'at most', 'items'),
    uniqueItems: (wanted, { value, path }) =>
      !wanted || !Array.isArray(value) || new Set(value.map((item) => this.canonical(item))).size === value.length
        ? null
        : at(path, 'has an item twice'),
    prefixItems: (parts, { value, path, depth }) =>
      !Array.isArray(value)
        ? null
        : first(value.slice(0, (parts as JsonValue[]).length), (item, i) =>
            this.test((parts as JsonValue[])[i]!, { value: item, path: `${path}/${i}`, depth: depth + 1 }),
          ),
    items: (part, { value, path, beside, depth }) => {
      if (!Array.isArray(value)) return null
      const from = Array.isArray(beside.prefixItems) ? beside.prefixItems.length : 0
      return first(value.slice(from), (item, i) =>
        this.test(part, { value: item, path: `${path}/${i + from}`, depth: depth + 1 }),
      )
    },
    contains: (part, { value, path, beside, depth }) => {
      if (!Array.isArray(value)) return null
      const found = value.filter(
        (item, i) => this.test(part, { value: item, path: `${path}/${i}`, depth: depth + 1 }) === null,
      ).length
      const [least, most] = [(beside.minContains as number) ?? 1, (beside.maxContains as number) ?? Infinity]
      return found >= least && found <= most ? null : at(path, `has ${found} items such as \`contains\` asks for`)
    },

    required: (names, { value, path }) => {
      this.spend((names as string[]).length / 16)
      const missing = isObject(value) ? (names as string[]).find((name) => !Object.hasOwn(value, name)) : undefined
      return missing === undefined ? null : at(path, `lacks ${JSON.stringify(missing)}`)
    },
    dependentRequired: (map, { value, path }) => {
      if (!isObject(value)) return null
      this.spend(JSON.stringify(map).length / 64)
      const present = Object.entries(map as Record<string, string[]>).filter(([name]) => Object.hasOwn(value, name))
      const missing = present.flatMap(([, names]) => names).find((name) => !Object.hasOwn(value, name))
      return missing === undefined ? null : at(path, `lacks ${JSON.stringify(missing)}`)
    },
    dependentSchemas: (map, place) =>
      first(Object.entries(map as JsonObject), ([name, part]) => {
        this.spend(1 / 16)
        return isObject(place.value) && Object.hasOwn(place.value, name) ? this.test(part, deeper(place)) : null
      }),
    minProperties: size((value) => this.properties(value), 'at least', 'properties'),
    maxProperties: size((value) => this.properties(value), 'at most', 'properties'),
    propertyNames: (part, { value, path, depth }) =>
      first(isObject(value) ? Object.keys(value) : [], (name) =>
        this.test(part, { value: name, path: `${path}/${name}`, depth: depth + 1 }),
      ),
    properties: (map, place) =>
      this.each(place, (name) => (Object.hasOwn(map as JsonObject, name) ? [(map as JsonObject)[name]!] : [])),
    patternProperties: (map, place) =>
      this.each(place, (name) =>
        Object.entries(map as JsonObject).flatMap(([pattern, part]) => (this.matches(pattern, name) ? [part] : [])),
      ),
    additionalProperties: (part, place) => {
      const { properties = {}, patternProperties = {} } = place.beside as Record<string, JsonObject>
      return this.each(place, (name) => {
        const known =
          Object.hasOwn(properties, name) || Object.keys(patternProperties).some((p) => this.matches(p, name))
        return known ? [] : [part]
      })
    },
  }

  /** Tests each property of an object against the schemas for its name. */
  private each({ value, path, depth }: Place, schemas: (name: string) => JsonValue[]): string | null {
    return first(isObject(value) ? Object.entries(value) : [], ([name, item]) => {
      this.spend(16)
      return first(schemas(name), (part) => this.test(part, { value: item, path: `${path}/${name}`, depth: depth + 1 }))
    })
  }
}

const UNSUPPORTED = new Set(
  '$anchor $dynamicRef $dynamicAnchor $recursiveRef unevaluatedItems unevaluatedProperties dependencies additionalItems'.split(
    ' ',
  ),
)
const SUBSCHEMA = new Set('not if then else items contains propertyNames additionalProperties'.split(' '))
const SUBSCHEMA_LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const SUBSCHEMA_MAPS = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'])
const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'string', 'integer']

const isNumber = (value: JsonValue) => typeof value === 'number'
const isCount = (value: JsonValue) => Number.isInteger(value) && (value as number) >= 0
const areNames = (value: JsonValue) => Array.isArray(value) && value.every((name) => typeof name === 'string')

/** What the value of a keyword must be, and how to say so. */
const FORMS: Record<string, [fits: (value: JsonValue) => boolean, must: string]> = {
  $ref: [
    (value) => typeof value === 'string' && /^#(?:\/|$)/.test(value),
    'a place in this schema, such as #/$defs/name',
  ],
  type: [
    (value) => [value].flat().length <= TYPES.length && [value].flat().every((type) => TYPES.includes(type as string)),
    `among ${TYPES.join(', ')}`,
  ],
  enum: [(value) => Array.isArray(value) && value.length > 0, 'a list of values'],
  pattern: [(value) => typeof value === 'string', 'a regular expression'],
  required: [areNames, 'a list of names'],
  dependentRequired: [(value) => isObject(value) && Object.values(value).every(areNames), 'lists of names by name'],
  multipleOf: [(value) => isNumber(value) && value > 0, 'a number above 0'],
  uniqueItems: [(value) => typeof value === 'boolean', 'true or false'],
  ...Object.fromEntries(
    ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].map((name) => [name, [isNumber, 'a number']]),
  ),
  ...Object.fromEntries(
    'minLength maxLength minItems maxItems minContains maxContains minProperties maxProperties'
      .split(' ')
      .map((name) => [name, [isCount, 'a whole number of at least 0']]),
  ),
}

function isObject(value: JsonValue): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function isType(value: JsonValue, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  return type === (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)
}

const deeper = (place: Place) => ({ ...place, depth: place.depth + 1 })

/** The first failure of a list's members. */
function first<T>(items: readonly T[], test: (item: T, index: number) => string | null): string | null {
  for (const [i, item] of items.entries()) {
    const failed = test(item, i)
    if (failed !== null) return failed
  }
  return null
}

function number(holds: (limit: number, value: number) => boolean, must: string) {
  return (limit: JsonValue, { value, path }: Place) =>
    typeof value !== 'number' || holds(limit as number, value) ? null : at(path, `must be ${must} ${limit as number}`)
}

function size(sizeOf: (value: JsonValue) => number | null, bound: 'at least' | 'at most', unit: string) {
  return (limit: JsonValue, { value, path }: Place) => {
    const count = sizeOf(value)
    const holds = count === null || (bound === 'at least' ? count >= (limit as number) : count <= (limit as number))
    return holds ? null : at(path, `must have ${bound} ${limit as number} ${unit}`)
  }
}

/** One text for equal values: keys sorted. */
function canonical(value: JsonValue, depth: number): string {
  if (depth > MAX_DEPTH) throw new TooMuch('the value is nested too deeply')
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join()}]`
  if (!isObject(value)) return JSON.stringify(value)
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item, depth + 1)}`)
  return `{${entries.join()}}`
}

/** By the decimal digits of both, since 0.07 / 0.01 is no whole number in doubles. */
function isMultiple(unit: number, value: number): boolean {
  const [a, b] = [value, unit].map((x) => {
    const [, whole, behind = '', exponent] = /^(-?\d)(?:\.(\d+))?e([+-]\d+)$/.exec(x.toExponential())!
    return { digits: BigInt(whole + behind), exponent: Number(exponent) - behind.length }
  }) as [{ digits: bigint; exponent: number }, { digits: bigint; exponent: number }]
  const least = Math.min(a.exponent, b.exponent)
  const scaled = ({ digits, exponent }: typeof a) => digits * 10n ** BigInt(exponent - least)
  return scaled(a) % scaled(b) === 0n
}
