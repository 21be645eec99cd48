/** Filters and tests of Jinja that chat templates use, where the library has none or another's. */
import { CASES, itemsOf, stripped } from './jinja-methods.ts'
import * as jinja from './jinja-values.ts'
import { equal, float, integer, isList, isMapping, isNumber, isText, isTrue, list, numberOf, str, text, type Value } from './jinja-values.ts' // prettier-ignore
import { interpolated } from './python-format.ts'

/** What is given to a filter in parentheses. */
export interface FilterArguments {
  args: Value[]
  named: ReadonlyMap<string, Value>
}
type Filter = (value: Value, given: FilterArguments) => Value

export const TESTS: Record<string, (value: Value) => boolean> = {
  boolean: ({ type }) => type === 'BooleanValue',
  callable: ({ type }) => type === 'FunctionValue',
  defined: ({ type }) => type !== 'UndefinedValue',
  undefined: ({ type }) => type === 'UndefinedValue',
  none: ({ type }) => type === 'NullValue',
  string: isText,
  float: ({ type }) => type === 'FloatValue',
  integer: ({ type }) => type === 'IntegerValue',
  number: (value) => numberOf(value) !== null,
  mapping: ({ type }) => type === 'ObjectValue',
  iterable: (value) => isText(value) || isList(value) || isMapping(value) || value.type === 'UndefinedValue',
  sequence: (value) =>
    isText(value) || isList(value) || value.type === 'ObjectValue' || value.type === 'UndefinedValue',
  true: ({ type, value }) => type === 'BooleanValue' && value === true,
  false: ({ type, value }) => type === 'BooleanValue' && value === false,
  odd: (value) => Math.abs(numberOf(value)! % 2) === 1,
  even: (value) => numberOf(value)! % 2 === 0,
  lower: (value) => /\p{L}/u.test(str(value)) && str(value) === str(value).toLowerCase(),
  upper: (value) => /\p{L}/u.test(str(value)) && str(value) === str(value).toUpperCase(),
}

/** Tests of two values, which `select` and its kin take by name. */
const RELATIONS: Record<string, (a: Value, b: Value) => boolean> = {
  equalto: equal,
  eq: equal,
  '==': equal,
  ne: (a, b) => !equal(a, b),
  '!=': (a, b) => !equal(a, b),
  in: (a, b) => contains(b, a),
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
}

const first = (value: Value) => itemsOf(value)[0] ?? jinja.nothing()
const last = (value: Value) => itemsOf(value).at(-1) ?? jinja.nothing()
const length = (value: Value) => integer(isMapping(value) ? value.value.size : itemsOf(value).length)
const byDefault: Filter = (value, { args, named }) => {
  const [instead = named.get('default_value') ?? text(''), boolean = named.get('boolean')] = args
  const missing = value.type === 'UndefinedValue' || (boolean && isTrue(boolean) && !isTrue(value))
  return missing ? instead : value
}
const extreme =
  (sign: 1 | -1): Filter =>
  (value, { named }) => {
    const key = keyOf(named)
    return itemsOf(value).reduce((a, b) => (sign * compare(key(b), key(a)) > 0 ? b : a), first(value))
  }
const chosen =
  (wanted: boolean, byAttribute: boolean): Filter =>
  (value, { args }) => {
    const attribute = byAttribute ? args[0] : undefined
    const holds = testOf(byAttribute ? args.slice(1) : args)
    const kept = itemsOf(value).filter((item) => holds(attribute ? attributeOf(item, str(attribute)) : item) === wanted)
    return list(kept)
  }

export const FILTERS: Record<string, Filter> = {
  string: (value) => text(str(value)),
  safe: (value) => value,
  list: (value) => list([...itemsOf(value)]),
  first,
  last,
  length,
  count: length,
  default: byDefault,
  d: byDefault,
  max: extreme(1),
  min: extreme(-1),
  sum(value, { args, named }) {
    const attribute = args[0] ?? named.get('attribute')
    const numbers = itemsOf(value).map((item) =>
      numberOrThrow(attribute ? attributeOf(item, str(attribute)) : item, 'sum'),
    )
    const total = numbers.reduce((sum, { number }) => sum + number, 0)
    return numbers.some(({ type }) => type === 'FloatValue') ? float(total) : integer(total)
  },
  abs: (value) => sameKind(value, Math.abs(numberOrThrow(value, 'abs').number)),
  int(value, { args, named }) {
    const number = isText(value) ? parsed(value.value) : numberOf(value)
    return number === null ? (args[0] ?? named.get('default') ?? integer(0)) : integer(Math.trunc(number))
  },
  float(value, { args, named }) {
    const number = isText(value) ? parsed(value.value) : numberOf(value)
    return number === null ? (args[0] ?? named.get('default') ?? float(0)) : float(number)
  },
  round(value, { args, named }) {
    const digits = 10 ** (numberOf(args[0] ?? named.get('precision') ?? integer(0)) ?? 0)
    const scaled = numberOrThrow(value, 'round').number * digits
    const whole = Math.round(scaled)
    // Python rounds halves to the even one.
    return float((Math.abs(scaled % 1) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole) / digits)
  },
  format: (value, { args }) => text(interpolated(str(value), args.length === 1 ? args[0]! : tuple(args))),
  trim: (value, { args, named }) => text(stripped(str(value), args[0] ?? named.get('chars'), {})),
  join(value, { args, named }) {
    const attribute = args[1] ?? named.get('attribute')
    const items = itemsOf(value).map((item) => str(attribute ? attributeOf(item, str(attribute)) : item))
    return text(items.join(str(args[0] ?? named.get('d') ?? text(''))))
  },
  reverse: (value) => (isText(value) ? text([...value.value].reverse().join('')) : list([...itemsOf(value)].reverse())),
  unique(value) {
    const kept: Value[] = []
    for (const item of itemsOf(value)) if (!kept.some((other) => equal(other, item))) kept.push(item)
    return list(kept)
  },
  map(value, { args, named }) {
    const attribute = named.get('attribute')
    const items = itemsOf(value)
    if (attribute) {
      const instead = named.get('default')
      const found = (item: Value) => attributeOf(item, str(attribute))
      return list(items.map((item) => (found(item).type === 'UndefinedValue' && instead ? instead : found(item))))
    }
    const name = args[0] ? str(args[0]) : ''
    const filter = filterOf(name)
    if (!filter) throw new Error(`map by ${JSON.stringify(name)} is not understood here`)
    return list(items.map((item) => filter(item, { args: args.slice(1), named: new Map() })))
  },
  select: chosen(true, false),
  reject: chosen(false, false),
  selectattr: chosen(true, true),
  rejectattr: chosen(false, true),
  ...Object.fromEntries(
    Object.entries(CASES).map(([name, work]): [string, Filter] => [name, (value) => text(work(str(value)))]),
  ),
}

/** A filter by its name, or undefined: the library's own will do, or there is none. */
export const filterOf = (name: string): Filter | undefined => (Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined)

function testOf([name, other]: Value[]): (value: Value) => boolean {
  if (!name) return isTrue
  const [test, relation] = [TESTS[str(name)], RELATIONS[str(name)]]
  if (test && !other) return test
  if (relation && other) return (value) => relation(value, other)
  throw new Error(`the test ${JSON.stringify(str(name))} is not understood here`)
}

/** A value inside a value, by names with dots between. */
function attributeOf(value: Value, path: string): Value {
  return path.split('.').reduce((inner, key) => {
    const found = isMapping(inner) ? inner.value.get(key) : isList(inner) ? inner.value[Number(key)] : undefined
    return found ?? jinja.nothing()
  }, value)
}

function keyOf(named: ReadonlyMap<string, Value>): (value: Value) => Value {
  const attribute = named.get('attribute')
  const sensitive = named.get('case_sensitive')
  const folded = (value: Value) =>
    isText(value) && !(sensitive && isTrue(sensitive)) ? text(value.value.toLowerCase()) : value
  return (value) => folded(attribute ? attributeOf(value, str(attribute)) : value)
}

/** Python's order: of numbers, of texts by their characters. Throws for what has none. */
export function compare(a: Value, b: Value): number {
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x !== null && y !== null) return x - y
  if (!isText(a) || !isText(b)) throw new Error(`${str(a)} and ${str(b)} have no order`)
  const [left, right] = [[...a.value], [...b.value]]
  const at = left.findIndex((c, i) => c !== right[i])
  if (at < 0) return left.length - right.length
  return right[at] === undefined ? 1 : left[at]!.codePointAt(0)! - right[at].codePointAt(0)!
}

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  if (isText(container)) {
    if (isText(item)) return container.value.includes(item.value)
    throw new Error(`a text cannot hold ${str(item)}`)
  }
  if (isMapping(container)) return isText(item) && container.value.has(item.value)
  return itemsOf(container).some((other) => equal(other, item))
}

function numberOrThrow(value: Value, filter: string): { number: number; type: Value['type'] } {
  const number = numberOf(value)
  if (number === null) throw new Error(`${filter} of ${str(value)}, which is no number`)
  return { number, type: value.type }
}

const sameKind = (value: Value, number: number) =>
  isNumber(value) && value.type === 'FloatValue' ? float(number) : integer(number)

function parsed(value: string): number | null {
  const number = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : NaN
  return Number.isNaN(number) ? null : number
}

/** For what goes by a value's being a tuple. */
const tuple = (items: Value[]): Value => Object.assign(list(items), { type: 'TupleValue' as const })
