import { GavelError } from '../../core/errors.ts'
import {
  anyOf,
  bytes,
  choice,
  later,
  literal,
  oneOf,
  optional,
  range,
  repeat,
  sequence,
  type Node,
} from './byte-grammar.ts'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
type Schema = { [key: string]: Json }

/** Keywords that say nothing about a value. */
const NOTES = [
  'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$schema', '$id', '$comment',
  '$defs', 'definitions',
] // prettier-ignore

const MAX_REPEATS = 10_000
const MAX_LENGTH = 200_000

// JSON (RFC 8259) with less room: no endless spaces, no half characters, and numbers that a double has.
const space = repeat(oneOf(' \n\t\r'), 0, 20)
/** Before all: some tokenizers begin with a space. */
const start = repeat(oneOf(' \n'), 0, 1)
const digit = range(0x30, 0x39)
const hex = oneOf('0123456789abcdefABCDEF')
const follow = range(0x80, 0xbf)
const character = choice(
  bytes(
    ...Array.from({ length: 0x60 }, (_, i) => 0x20 + i).filter(
      (byte) => byte !== 0x22 && byte !== 0x5c && byte !== 0x7f,
    ),
  ),
  sequence(range(0xc2, 0xdf), follow),
  sequence(bytes(0xe0), range(0xa0, 0xbf), follow),
  sequence(choice(range(0xe1, 0xec), range(0xee, 0xef)), follow, follow),
  sequence(bytes(0xed), range(0x80, 0x9f), follow),
  sequence(bytes(0xf0), range(0x90, 0xbf), follow, follow),
  sequence(range(0xf1, 0xf3), follow, follow, follow),
  sequence(bytes(0xf4), range(0x80, 0x8f), follow, follow),
  sequence(literal('\\'), oneOf('"\\/bfnrt')),
  // Not U+D800 to U+DFFF, which are halves of characters.
  sequence(
    literal('\\u'),
    choice(oneOf('0123456789abcefABCEF'), sequence(oneOf('dD'), oneOf('01234567'))),
    hex,
    hex,
    hex,
  ),
)
const whole = sequence(optional(literal('-')), choice(literal('0'), sequence(range(0x31, 0x39), repeat(digit, 0, 14))))
const decimal = sequence(
  whole,
  optional(sequence(literal('.'), repeat(digit, 1, 16))),
  optional(sequence(oneOf('eE'), optional(oneOf('+-')), repeat(digit, 1, 2))),
)
const text = (min = 0, max = Infinity) => sequence(literal('"'), repeat(character, min, max), literal('"'))
const list = (open: string, item: Node, close: string, min = 0, max = Infinity): Node => {
  const more = repeat(sequence(space, literal(','), space, item), Math.max(0, min - 1), max - 1)
  const filled = max > 0 ? [sequence(space, item, more, space)] : []
  return sequence(literal(open), choice(...(min === 0 ? [space] : []), ...filled), literal(close))
}
const member = (name: Node, value: Node) => sequence(name, space, literal(':'), space, value)

const anyObject = later(() => list('{', member(text(), anyValue), '}'))
const anyValue: Node = later(() =>
  choice(text(), decimal, literal('true'), literal('false'), literal('null'), anyObject, list('[', anyValue, ']')),
)

/** What an answer must be. */
export type AnswerFormat =
  | { type: 'json_object' }
  | { type: 'json_schema'; schema: Json }
  /** One of these texts. */
  | { type: 'choice'; options: string[] }

/** Throws `invalid_request` for a schema that is not known here. */
export function formatGrammar(format: AnswerFormat): Node {
  if (format.type === 'json_object') return sequence(start, anyObject)
  if (format.type === 'json_schema') return schemaGrammar(format.schema)
  return anyOf(format.options)
}

/**
 * The JSON texts that meet a schema, with members in the schema's order. Throws `invalid_request` for keywords that are not
 * known here, naming them: none is ignored.
 */
function schemaGrammar(schema: Json): Node {
  if (JSON.stringify(schema).length > MAX_LENGTH) throw refuse('#', `is longer than ${MAX_LENGTH} characters`)
  const compiler = new Compiler(schema)
  return sequence(start, compiler.node(schema, '#'))
}

/** What each type's keywords make of it. */
const TYPES = {
  null: { keywords: [], node: () => literal('null') },
  boolean: { keywords: [], node: () => choice(literal('true'), literal('false')) },
  integer: {
    keywords: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
    node: (schema, at) => integers(schema, at),
  },
  number: { keywords: [], node: () => decimal },
  string: {
    keywords: ['minLength', 'maxLength'],
    node: (schema, at) => text(...bounds(schema, 'minLength', 'maxLength', at)),
  },
  array: {
    keywords: ['items', 'minItems', 'maxItems'],
    node: (schema, at, compiler) => {
      const item = schema.items === undefined ? anyValue : compiler.node(schema.items, `${at}/items`)
      return list('[', item, ']', ...bounds(schema, 'minItems', 'maxItems', at))
    },
  },
  object: {
    keywords: ['properties', 'required', 'additionalProperties'],
    node: (schema, at, compiler) => compiler.object(schema, at),
  },
} satisfies Record<string, { keywords: string[]; node(schema: Schema, at: string, compiler: Compiler): Node }>
type Type = keyof typeof TYPES

const isObject = (value: Json | undefined): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const refuse = (at: string, what: string) =>
  new GavelError('invalid_request', `the schema of \`response_format\` ${what}, at ${at.slice(0, 200)}`, {
    param: 'response_format',
  })

class Compiler {
  private readonly root: Json
  private readonly references = new Map<string, Node>()

  constructor(root: Json) {
    this.root = root
  }

  node(schema: Json, at: string): Node {
    if (schema === true) return anyValue
    if (!isObject(schema)) throw refuse(at, schema === false ? 'allows nothing' : 'is no schema')
    const names = Object.keys(schema).filter((name) => !NOTES.includes(name))
    const alone = (name: string) => {
      const beside = names.find((other) => other !== name)
      if (beside !== undefined) throw refuse(at, `has ${beside} beside ${name}, which is not supported here`)
    }
    if (schema.$ref !== undefined) {
      alone('$ref')
      return this.reference(schema.$ref, at)
    }
    if (schema.anyOf !== undefined) {
      alone('anyOf')
      return this.alternatives(schema.anyOf, `${at}/anyOf`)
    }
    if (schema.allOf !== undefined) {
      alone('allOf')
      if (!Array.isArray(schema.allOf) || schema.allOf.length !== 1)
        throw refuse(at, 'has allOf with other than one part')
      return this.node(schema.allOf[0]!, `${at}/allOf/0`)
    }
    const types = typesOf(schema, at)
    if (schema.enum !== undefined || schema.const !== undefined) return constants(schema, names, types, at)
    const known = types.flatMap((type) => TYPES[type].keywords as string[])
    const unknown = names.find((name) => name !== 'type' && !known.includes(name))
    if (unknown !== undefined) throw refuse(at, `has ${unknown}, which is not supported here`)
    return choice(...types.map((type) => TYPES[type].node(schema, at, this)))
  }

  /** Members in order; those that are not required may be left out. */
  object(schema: Schema, at: string): Node {
    const { properties = {}, required = [], additionalProperties: others } = schema
    if (!isObject(properties)) throw refuse(at, 'has properties that are no object')
    if (
      !Array.isArray(required) ||
      required.some((name) => typeof name !== 'string' || !Object.hasOwn(properties, name))
    )
      throw refuse(at, 'has a required that is no list of names among its properties')
    const names = Object.keys(properties)
    if (others !== undefined && others !== false && names.length > 0)
      throw refuse(at, 'has additionalProperties beside properties, which is not supported here; make it false')
    if (names.length === 0) {
      if (others === false) return list('{', anyValue, '}', 0, 0)
      const value = others === undefined ? anyValue : this.node(others, `${at}/additionalProperties`)
      return list('{', member(text(), value), '}')
    }
    const members = names.map((name) => {
      const value = this.node(properties[name]!, `${at}/properties/${name}`)
      return { node: member(literal(JSON.stringify(name)), value), must: required.includes(name) }
    })
    return sequence(literal('{'), inOrder(members), literal('}'))
  }

  private alternatives(options: Json, at: string): Node {
    if (!Array.isArray(options) || options.length === 0) throw refuse(at, 'has an empty anyOf')
    return choice(...options.map((option, i) => this.node(option, `${at}/${i}`)))
  }

  private reference(pointer: Json, at: string): Node {
    if (typeof pointer !== 'string' || !pointer.startsWith('#')) throw refuse(at, 'has a $ref to elsewhere')
    const known = this.references.get(pointer)
    if (known) return known
    let target: Json | undefined = this.root
    for (const step of pointer.slice(1).split('/').slice(1)) {
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
      const inside: Json | undefined = target
      target =
        isObject(inside) && Object.hasOwn(inside, name)
          ? inside[name]
          : Array.isArray(inside)
            ? inside[Number(name)]
            : undefined
    }
    if (target === undefined) throw refuse(at, `has $ref ${pointer}, where nothing is`)
    const found: { node?: Node } = {}
    const node = later(() => found.node!)
    this.references.set(pointer, node)
    found.node = this.node(target, pointer)
    if (isEndless(node)) throw refuse(at, `has $ref ${pointer}, which leads back to itself`)
    return node
  }
}

/** Whether references lead to nothing but references. */
function isEndless(node: Node): boolean {
  const seen = new Set<Node>()
  for (let next: Node | undefined = node; next?.type === 'later'; next = next.make()) {
    if (seen.has(next)) return true
    seen.add(next)
  }
  return false
}

/** Members from the first on, with commas between those that are there. */
function inOrder(members: readonly { node: Node; must: boolean }[]): Node {
  const comma = sequence(space, literal(','), space)
  // From the last: what may follow once a member is there, and what may stand where none is yet.
  let [after, first] = [space, space]
  for (const { node, must } of members.toReversed()) {
    const here = sequence(node, after)
    const [later, earlier] = [sequence(comma, here), sequence(space, here)]
    ;[after, first] = must ? [later, earlier] : [choice(later, after), choice(earlier, first)]
  }
  return first
}

function typesOf(schema: Schema, at: string): Type[] {
  const { type } = schema
  if (type === undefined) return Object.keys(TYPES).filter((name) => name !== 'integer') as Type[]
  const types = Array.isArray(type) ? type : [type]
  const unknown = types.find((name) => typeof name !== 'string' || !Object.hasOwn(TYPES, name))
  if (unknown !== undefined || types.length === 0) throw refuse(at, `has the type ${JSON.stringify(unknown ?? [])}`)
  return types as Type[]
}

function constants(schema: Schema, names: string[], types: Type[], at: string): Node {
  const beside = names.find((name) => !['enum', 'const', 'type'].includes(name))
  if (beside !== undefined) throw refuse(at, `has ${beside} beside ${'enum' in schema ? 'enum' : 'const'}`)
  if (schema.enum !== undefined && (!Array.isArray(schema.enum) || schema.enum.length === 0))
    throw refuse(at, 'has an enum that is no list')
  const values = schema.enum ?? [schema.const!]
  const kept = values.filter((value) => {
    const isConst =
      schema.enum === undefined || schema.const === undefined || JSON.stringify(schema.const) === JSON.stringify(value)
    return isConst && types.some((type) => isOf(value, type))
  })
  if (kept.length === 0) throw refuse(at, 'allows no value: none of its enum is of its type')
  return anyOf(kept.map((value) => JSON.stringify(value)))
}

function isOf(value: Json, type: Type): boolean {
  if (value === null) return type === 'null'
  if (Array.isArray(value)) return type === 'array'
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}

function bounds(schema: Schema, least: string, most: string, at: string): [min: number, max: number] {
  const [min, max] = [schema[least] ?? 0, schema[most] ?? Infinity]
  for (const [name, value] of [
    [least, min],
    [most, max],
  ] as const) {
    const sound =
      typeof value === 'number' &&
      (value === Infinity || (Number.isInteger(value) && value >= 0 && value <= MAX_REPEATS))
    if (!sound) throw refuse(at, `has ${name} ${JSON.stringify(value)}, which is not 0 to ${MAX_REPEATS}`)
  }
  if ((min as number) > (max as number)) throw refuse(at, `allows nothing: ${least} is above ${most}`)
  return [min as number, max as number]
}

/** Whole numbers within the schema's bounds, and within ±10¹⁵, where doubles have them all. */
function integers(schema: Schema, at: string): Node {
  const bound = (name: string): number | undefined => {
    const value = schema[name]
    if (value === undefined || typeof value === 'number') return value
    throw refuse(at, `has ${name} ${JSON.stringify(value)}, which is no number`)
  }
  const [above, below] = [bound('exclusiveMinimum') ?? -Infinity, bound('exclusiveMaximum') ?? Infinity]
  const least = Math.max(-LARGEST, Math.ceil(bound('minimum') ?? -Infinity), Math.floor(above) + 1)
  const most = Math.min(LARGEST, Math.floor(bound('maximum') ?? Infinity), Math.ceil(below) - 1)
  if (least > most) throw refuse(at, 'allows nothing: no whole number is within its bounds')
  return choice(
    ...(least < 0 ? [sequence(literal('-'), naturals(Math.max(1, -most), -least))] : []),
    ...(most >= 0 ? [naturals(Math.max(0, least), most)] : []),
  )
}

const LARGEST = 10 ** 15 - 1

/** From `least` to `most`, both ≥ 0, length by length. */
function naturals(least: number, most: number): Node {
  const lengths = Array.from(
    { length: String(most).length - String(least).length + 1 },
    (_, i) => String(least).length + i,
  )
  return choice(
    ...lengths.map((length) =>
      digitsBetween(
        String(Math.max(least, length === 1 ? 0 : 10 ** (length - 1))),
        String(Math.min(most, 10 ** length - 1)),
      ),
    ),
  )
}

/** Digits from `low` to `high`, which are of one length. */
function digitsBetween(low: string, high: string): Node {
  if (low === '') return sequence()
  const [a, b] = [low.charCodeAt(0), high.charCodeAt(0)]
  const [rest, [lows, highs]] = [low.length - 1, [low.slice(1), high.slice(1)]]
  if (a === b) return sequence(bytes(a), digitsBetween(lows, highs))
  return choice(
    sequence(bytes(a), digitsBetween(lows, '9'.repeat(rest))),
    ...(b - a > 1 ? [sequence(range(a + 1, b - 1), repeat(digit, rest, rest))] : []),
    sequence(bytes(b), digitsBetween('0'.repeat(rest), highs)),
  )
}
