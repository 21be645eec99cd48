/** Values of a Jinja template as Python has them: how they print, when they are equal. */
import { Environment } from '@huggingface/jinja'

/** A value while a template is rendered. The library keeps its classes to itself, but not the values. */
export interface Value {
  type:
    | 'StringValue'
    | 'IntegerValue'
    | 'FloatValue'
    | 'BooleanValue'
    | 'NullValue'
    | 'UndefinedValue'
    | 'ArrayValue'
    | 'TupleValue'
    | 'ObjectValue'
    | 'KeywordArgumentsValue'
    | 'NamespaceValue'
    | 'FunctionValue'
  value: unknown
  __bool__(): Value
}
/** A function of a template: keyword arguments come last. */
export type Call = (args: Value[]) => Value

const classOf = (value: unknown) =>
  (new Environment().set('x', value) as unknown as Value).constructor as new (value?: unknown) => Value

const StringValue = classOf('')
const IntegerValue = classOf(0)
const FloatValue = classOf(0.5)
const BooleanValue = classOf(true)
const ArrayValue = classOf([])
const ObjectValue = classOf({})
const FunctionValue = classOf(() => null)
const UndefinedValue = classOf(undefined)

export const text = (value: string): Value => new StringValue(value)
export const integer = (value: number): Value => new IntegerValue(value)
export const float = (value: number): Value => new FloatValue(value)
export const bool = (value: boolean): Value => new BooleanValue(value)
export const list = (value: Value[]): Value => new ArrayValue(value)
export const mapping = (value: Map<string, Value>): Value => new ObjectValue(value)
export const nothing = (): Value => new UndefinedValue()
export const call = (work: Call): Value => new FunctionValue(work)

export const isText = (value: Value | undefined): value is Value & { value: string } => value?.type === 'StringValue'
export const isList = (value: Value | undefined): value is Value & { value: Value[] } =>
  value?.type === 'ArrayValue' || value?.type === 'TupleValue'
export const isMapping = (value: Value | undefined): value is Value & { value: Map<string, Value> } =>
  value?.type === 'ObjectValue' || value?.type === 'NamespaceValue'
export const isNumber = (value: Value | undefined): value is Value & { value: number } =>
  value?.type === 'IntegerValue' || value?.type === 'FloatValue'
export const isTrue = (value: Value): boolean => value.__bool__().value as boolean

/** Python's `str`. */
export function str(value: Value): string {
  if (isText(value)) return value.value
  if (value.type === 'UndefinedValue') return ''
  return repr(value)
}

/** Python's `repr`. */
export function repr(value: Value): string {
  if (isText(value)) return quoted(value.value)
  if (isList(value)) {
    const items = value.value.map(repr).join(', ')
    if (value.type === 'ArrayValue') return `[${items}]`
    return value.value.length === 1 ? `(${items},)` : `(${items})`
  }
  if (isMapping(value)) return `{${[...value.value].map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(', ')}}`
  if (value.type === 'BooleanValue') return value.value ? 'True' : 'False'
  if (value.type === 'NullValue') return 'None'
  if (value.type === 'UndefinedValue') return 'Undefined'
  if (value.type === 'FloatValue') return floatText(value.value as number)
  if (value.type === 'IntegerValue') return String(value.value)
  throw new Error('a function has no text')
}

function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf'
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  if (Number(exponent) >= -4 && Number(exponent) < 16) {
    const plain = Math.abs(value) < 1e-6 && value !== 0 ? value.toFixed(20).replace(/0+$/, '') : String(value)
    return Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : plain}.0` : plain
  }
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
}

function quoted(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const escapes: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', [quote]: `\\${quote}` }
  const shown = value.replace(/[\\'"\p{Cc}]/gu, (c) => {
    return escapes[c] ?? (c === "'" || c === '"' ? c : `\\x${c.codePointAt(0)!.toString(16).padStart(2, '0')}`)
  })
  return quote + shown + quote
}

/** A number, or a boolean for the one that it is in Python; null for anything else. */
export const numberOf = (value: Value): number | null =>
  isNumber(value) ? value.value : value.type === 'BooleanValue' ? Number(value.value) : null

/** Python's `==`. */
export function equal(a: Value, b: Value): boolean {
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x !== null || y !== null) return x === y
  if (isList(a) && isList(b))
    return (
      a.type === b.type && a.value.length === b.value.length && a.value.every((item, i) => equal(item, b.value[i]!))
    )
  if (isMapping(a) && isMapping(b)) {
    const other = b.value
    return (
      a.value.size === other.size && [...a.value].every(([key, item]) => other.has(key) && equal(item, other.get(key)!))
    )
  }
  return a.type === b.type && a.value === b.value
}
