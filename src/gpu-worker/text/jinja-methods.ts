/** Methods of Python's `str` that chat templates call, where the library has none or another's. */
import {
  bool,
  call,
  integer,
  isList,
  isMapping,
  isNumber,
  isText,
  list,
  str,
  text,
  type Value,
} from './jinja-values.ts'
import { formatted } from './python-format.ts'

/** What Python calls a blank. */
const BLANK = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

/** Takes characters off the ends of a text: blanks, unless others are named. */
export function stripped(value: string, chars: Value | undefined, { left = true, right = true }): string {
  const set = isText(chars) ? new Set(chars.value) : null
  const goes = (c: string) => (set ? set.has(c) : new RegExp(`[${BLANK}]`).test(c))
  const all = [...value]
  let [from, to] = [0, all.length]
  while (left && from < to && goes(all[from]!)) from++
  while (right && to > from && goes(all[to - 1]!)) to--
  return all.slice(from, to).join('')
}

type Method = (self: string, args: Value[]) => Value

const titled = (self: string) =>
  self.replace(/\p{L}+/gu, (word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase())
const capitalised = (self: string) => {
  const [first = '', ...rest] = self
  return first.toUpperCase() + rest.join('').toLowerCase()
}
export const CASES = {
  upper: (self: string) => self.toUpperCase(),
  lower: (self: string) => self.toLowerCase(),
  title: titled,
  capitalize: capitalised,
} satisfies Record<string, (self: string) => string>

const METHODS: Record<string, Method> = {
  ...Object.fromEntries(Object.entries(CASES).map(([name, work]) => [name, (self: string) => text(work(self))])),
  strip: (self, [chars]) => text(stripped(self, chars, {})),
  lstrip: (self, [chars]) => text(stripped(self, chars, { right: false })),
  rstrip: (self, [chars]) => text(stripped(self, chars, { left: false })),
  rsplit: (self, args) => list(splitFromRight(self, args).map(text)),
  splitlines(self, [keep]) {
    const lines = self.match(/[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/g) ?? []
    if (lines.at(-1) === '') lines.pop()
    const end = /(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/
    return list(lines.map((line) => text(keep?.value ? line : line.replace(end, ''))))
  },
  removeprefix: (self, [part]) => text(self.startsWith(str(part!)) ? self.slice(str(part!).length) : self),
  removesuffix(self, [part]) {
    const end = str(part!)
    return text(end !== '' && self.endsWith(end) ? self.slice(0, -end.length) : self)
  },
  find: (self, [part]) => integer(points(self, self.indexOf(str(part!)))),
  rfind: (self, [part]) => integer(points(self, self.lastIndexOf(str(part!)))),
  index(self, [part]) {
    const at = self.indexOf(str(part!))
    if (at < 0) throw new Error('substring not found')
    return integer(points(self, at))
  },
  count: (self, [part]) => integer(self.split(str(part!)).length - 1),
  join: (self, [items]) => text(itemsOf(items!).map(str).join(self)),
  format: (self, args) => text(formatted(self, args)),
  isdigit: (self) => bool(/^\p{Nd}+$/u.test(self)),
  isalpha: (self) => bool(/^\p{L}+$/u.test(self)),
  isalnum: (self) => bool(/^[\p{L}\p{N}]+$/u.test(self)),
  isspace: (self) => bool(new RegExp(`^[${BLANK}]+$`).test(self)),
  isupper: (self) => bool(/\p{Lu}/u.test(self) && self === self.toUpperCase()),
  islower: (self) => bool(/\p{Ll}/u.test(self) && self === self.toLowerCase()),
  zfill(self, [width]) {
    const sign = /^[+-]/.exec(self)?.[0] ?? ''
    return text(sign + self.slice(sign.length).padStart((width!.value as number) - sign.length, '0'))
  },
  ljust: (self, [width, fill]) => text(self.padEnd(width!.value as number, fill ? str(fill) : ' ')),
  rjust: (self, [width, fill]) => text(self.padStart(width!.value as number, fill ? str(fill) : ' ')),
  partition(self, [part]) {
    const at = self.indexOf(str(part!))
    const parts = at < 0 ? [self, '', ''] : [self.slice(0, at), str(part!), self.slice(at + str(part!).length)]
    return list(parts.map(text))
  },
}

/** A method of a text by its name, or undefined: the library's own will do. */
export const methodOf = (self: string, name: string): Value | undefined => {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name]! : undefined
  return method && call((args) => method(self, args))
}

/** The number of characters before a place in a text; −1 stays. */
const points = (self: string, at: number) => (at < 0 ? at : [...self.slice(0, at)].length)

function splitFromRight(self: string, [separator, most]: Value[]): string[] {
  const limit = isNumber(most) && most.value >= 0 ? most.value : Infinity
  const by = isText(separator) ? separator.value : null
  const parts = by === null ? self.split(new RegExp(`[${BLANK}]+`)).filter(Boolean) : self.split(by)
  if (parts.length <= limit + 1) return parts
  const kept = limit === 0 ? [] : parts.slice(-limit)
  if (by !== null) return [parts.slice(0, parts.length - kept.length).join(by), ...kept]
  // Between blanks of any number: what stays together stays as it was.
  const rest = new RegExp(
    `^([^]*?)${kept.map((part) => `[${BLANK}]+${part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}`).join('')}[${BLANK}]*$`,
  )
  return [stripped(rest.exec(self)![1]!, undefined, { left: false }), ...kept]
}

/** What a loop over a value goes through. Throws where there is nothing to go through. */
export function itemsOf(value: Value): Value[] {
  if (isList(value)) return value.value
  if (isText(value)) return [...value.value].map(text)
  if (isMapping(value)) return [...value.value.keys()].map(text)
  if (value.type === 'UndefinedValue') return []
  throw new Error(`${str(value)} cannot be gone through`)
}
