/** Python's two ways to put values into a text: `'%s' % x` and `'{}'.format(x)`. Throws what is not understood. */
import { isList, isMapping, numberOf, repr, str, type Value } from './jinja-values.ts'

/** `template % value`: a tuple's items one after the other, a dict's by name. */
export function interpolated(template: string, value: Value): string {
  const items = value.type === 'TupleValue' ? [...(value.value as Value[])] : [value]
  let used = 0
  const next = () => {
    const item = items[used++]
    if (!item) throw new Error('not enough arguments for format string')
    return item
  }
  const result = template.replace(
    /%(?:\((\w+)\))?([-+ 0#]*)(\d+)?(?:\.(\d+))?(.)/gs,
    (
      whole,
      name: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      kind: string,
    ) => {
      if (kind === '%') return '%'
      const item = name === undefined ? next() : named(value, name)
      const number = numberOf(item)
      const digits = precision === undefined ? null : Number(precision)
      const shown = kind === 's' ? str(item) : kind === 'r' ? repr(item) : numeric(number, kind, digits, whole)
      const cut = 'sr'.includes(kind) && digits !== null ? shown.slice(0, digits) : shown
      const signed =
        number !== null && !'sr'.includes(kind) && number >= 0 ? (/[+ ]/.exec(flags)?.[0] ?? '') + cut : cut
      if (flags.includes('-')) return signed.padEnd(Number(width ?? 0))
      if (!flags.includes('0') || 'sr'.includes(kind)) return signed.padStart(Number(width ?? 0))
      const sign = /^[-+ ]/.exec(signed)?.[0] ?? ''
      return sign + signed.slice(sign.length).padStart(Number(width ?? 0) - sign.length, '0')
    },
  )
  if (used < items.length && !isMapping(value)) throw new Error('not all arguments converted during string formatting')
  return result
}

function named(value: Value, name: string): Value {
  const item = isMapping(value) ? value.value.get(name) : undefined
  if (!item) throw new Error(`there is no ${JSON.stringify(name)} to format`)
  return item
}

function numeric(value: number | null, kind: string, digits: number | null, whole: string): string {
  if (value === null) throw new Error(`${JSON.stringify(whole)} needs a number`)
  if (kind === 'd' || kind === 'i') return String(Math.trunc(value))
  if (kind === 'f') return value.toFixed(digits ?? 6)
  if (kind === 'x') return Math.trunc(value).toString(16)
  throw new Error(`the format ${JSON.stringify(whole)} is not understood here`)
}

/** `template.format(…)`: keyword arguments come last. */
export function formatted(template: string, args: Value[]): string {
  const last = args.at(-1)
  const keywords =
    last?.type === 'KeywordArgumentsValue' ? (last.value as Map<string, Value>) : new Map<string, Value>()
  const positional = last?.type === 'KeywordArgumentsValue' ? args.slice(0, -1) : args
  let used = 0
  return template.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, inside: string | undefined) => {
    if (whole === '{{' || whole === '}}') return whole[0]!
    if (inside === undefined) throw new Error(`single ${whole} in a format string`)
    const [, name = '', path = '', conversion, spec = ''] =
      /^(\w*)((?:\.\w+|\[[^\]]+\])*)(?:!([rs]))?(?::(.*))?$/s.exec(inside) ?? []
    let value = name === '' ? positional[used++] : /^\d+$/.test(name) ? positional[Number(name)] : keywords.get(name)
    for (const [, dotted, keyed] of path.matchAll(/\.(\w+)|\[([^\]]+)\]/g)) {
      const key = dotted ?? keyed!
      value = isMapping(value) ? value.value.get(key) : isList(value) ? value.value[Number(key)] : undefined
    }
    if (!value) throw new Error(`there is nothing for ${whole} in a format string`)
    return spec === '' ? (conversion === 'r' ? repr(value) : str(value)) : specified(value, spec, conversion)
  })
}

function specified(value: Value, spec: string, conversion: string | undefined): string {
  const match = /^(?:(.)?([<>^]))?([+ ]?)(0?)(\d+)?(,?)(?:\.(\d+))?([sdfx]?)$/su.exec(spec)
  if (!match) throw new Error(`the format ${JSON.stringify(spec)} is not understood here`)
  const [, fill = ' ', side, sign = '', zero, width = '0', comma, precision, kind] = match
  const number = conversion === undefined && kind !== 's' ? numberOf(value) : null
  const digits = precision === undefined ? null : Number(precision)
  if (number !== null && !kind && digits !== null)
    throw new Error(`the format ${JSON.stringify(spec)} is not understood here`)
  const plain =
    number === null
      ? (conversion === 'r' ? repr(value) : str(value)).slice(0, digits ?? undefined)
      : kind
        ? numeric(number, kind, digits, spec)
        : str(value)
  if (kind && kind !== 's' && number === null) throw new Error(`the format ${JSON.stringify(spec)} needs a number`)
  const grouped = comma ? plain.replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ',') : plain
  const signed = number !== null && number >= 0 ? sign + grouped : grouped
  const room = Number(width)
  if (zero && !side) {
    const front = /^[-+ ]/.exec(signed)?.[0] ?? ''
    return front + signed.slice(front.length).padStart(room - front.length, '0')
  }
  const at = side ?? (number === null ? '<' : '>')
  if (at === '<') return signed.padEnd(room, fill)
  if (at === '>') return signed.padStart(room, fill)
  return signed.padStart(signed.length + Math.floor(Math.max(0, room - signed.length) / 2), fill).padEnd(room, fill)
}
