/** How JSON of others is read, what its numbers keep, and how it is written so that equal values are equal texts. */
import { GavelError } from './errors.ts'

/** Deepest nesting of arrays and objects that is accepted. */
export const MAX_JSON_DEPTH = 32

/** Most values (numbers, texts, arrays, objects …) in one body of JSON, and most fields of one object. */
export const MAX_JSON_VALUES = 500_000
export const MAX_JSON_FIELDS = 10_000

/**
 * Refuses JSON of very many values, or of an object of very many fields, before it is read, when each would take many times
 * its bytes. Counts commas and brackets outside of texts.
 * @param bytes UTF-8, JSON or not
 * @throws GavelError `too_large`
 */
export function refuseManyValues(bytes: Uint8Array): void {
  const refuse = (what: string) => {
    throw new GavelError('too_large', `The JSON has ${what}; send less at once.`, { param: 'body' })
  }
  let values = 0
  /** Commas of the objects and arrays that are open; −∞ for an array, whose length its schema bounds. */
  const open: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) i = endOfText(bytes, i)
    else if (byte === COMMA) {
      values++
      if (open.length > 0 && ++open[open.length - 1]! >= MAX_JSON_FIELDS)
        refuse(`an object of more than ${MAX_JSON_FIELDS} fields`)
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      values++
      // What is deeper is refused for that.
      if (open.length <= MAX_JSON_DEPTH + 1) open.push(byte === OPEN_ARRAY ? -Infinity : 0)
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) open.pop()
    if (values > MAX_JSON_VALUES) refuse(`more than ${MAX_JSON_VALUES} values`)
  }
}
/** Where a text's other quote stands, or the end. */
function endOfText(bytes: Uint8Array, open: number): number {
  let close = bytes.indexOf(QUOTE, open + 1)
  if (close === -1) return bytes.length
  let backslashes = 0
  while (bytes[close - 1 - backslashes] === BACKSLASH) backslashes++
  if (backslashes % 2 === 0) return close
  // Where one quote is escaped, more are: from there on byte by byte.
  close++
  while (close < bytes.length && bytes[close] !== QUOTE) close += bytes[close] === BACKSLASH ? 2 : 1
  return close
}

const [COMMA, QUOTE, BACKSLASH] = [0x2c, 0x22, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * JSON of others: `JSON.parse`, and a refusal of everything that it would lose in silence.
 * @throws SyntaxError for what is no JSON; GavelError `unprocessable` for a key that an object has twice (only the last
 *   would count), a number that is too large or too small for a double (it would become ∞ or 0), and for nesting too
 *   deep for what reads it later (databases count too)
 */
export function parseStrictJson(text: string): unknown {
  const value = JSON.parse(text) as unknown
  refuseLosses(text, value)
  return value
}

/** Refuses what was lost of a JSON text when it was read to this value. Throws like {@link parseStrictJson}. */
export function refuseLosses(text: string, value: unknown): void {
  // Counting finds a key that came twice at a tenth of what reading the text once more would cost.
  if (countKeys(value, 0) !== countKeysIn(text)) throw repeatedKey(text)
  if (VERY_SMALL.test(text) || text.includes(MANY_ZEROS)) refuseVanished(text)
}

/** How many keys all objects of a value have together. Refuses what is too deep, and numbers that became infinite. */
function countKeys(value: unknown, depth: number, key = ''): number {
  if (depth > MAX_JSON_DEPTH) {
    throw new GavelError('unprocessable', `The JSON is nested more than ${MAX_JSON_DEPTH} levels deep; flatten it.`)
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw lostNumber(key === '' ? null : key)
  if (value === null || typeof value !== 'object') return 0
  let keys = 0
  if (Array.isArray(value)) for (const item of value) keys += countKeys(item, depth + 1, key)
  else for (const name in value) keys += 1 + countKeys((value as Record<string, unknown>)[name], depth + 1, name)
  return keys
}

/** A string of a JSON text: where its quotes stand, and whether it is a key. */
interface Quoted {
  open: number
  close: number
  key: boolean
}

/** The first string of a text that is known to be JSON at or after `from`, or null. */
function quotedAfter(text: string, from: number): Quoted | null {
  const open = text.indexOf('"', from)
  if (open === -1) return null
  let close = text.indexOf('"', open + 1)
  // Where one quote is escaped, more are: from there on character by character.
  if (isEscaped(text, close)) {
    close++
    while (text.charCodeAt(close) !== QUOTE) close += text.charCodeAt(close) === BACKSLASH ? 2 : 1
  }
  let next = close + 1
  while (text.charCodeAt(next) <= 32) next++
  return { open, close, key: text[next] === ':' }
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** How many keys are written in a text that is known to be JSON. */
function countKeysIn(text: string): number {
  let keys = 0
  for (let quoted = quotedAfter(text, 0); quoted; quoted = quotedAfter(text, quoted.close + 1)) if (quoted.key) keys++
  return keys
}

/** What is to be said of a text in which an object has a key twice. */
function repeatedKey(text: string): GavelError {
  /** The keys of the objects that are open; null for an array. */
  const open: (Set<string> | null)[] = []
  let from = 0
  for (let quoted = quotedAfter(text, 0); quoted; quoted = quotedAfter(text, from)) {
    for (const mark of text.slice(from, quoted.open)) {
      if (mark === '{' || mark === '[') open.push(mark === '{' ? new Set() : null)
      else if (mark === '}' || mark === ']') open.pop()
    }
    from = quoted.close + 1
    if (!quoted.key) continue
    const key = JSON.parse(text.slice(quoted.open, from)) as string
    const keys = open.at(-1)!
    if (keys.has(key)) {
      const where = text.includes('\n') ? ` (again on line ${text.slice(0, quoted.open).split('\n').length})` : ''
      const message = `The JSON has the key ${JSON.stringify(key.slice(0, 100))} twice in one object${where}, and only the last would count. Keep one.`
      return new GavelError('unprocessable', message, { param: key.slice(0, 100) })
    }
    keys.add(key)
  }
  throw new Error('the keys of a JSON text do not add up')
}

/** What may be a number that is too small; most texts have nothing like it. */
const VERY_SMALL = /[\d.]e-\d{3}/i
const MANY_ZEROS = '0'.repeat(300)

function refuseVanished(text: string): void {
  let key: string | null = null
  let from = 0
  for (;;) {
    const quoted = quotedAfter(text, from)
    for (const [written] of text.slice(from, quoted?.open).matchAll(/[\d.]+(?:e[-+]?\d+)?/gi)) {
      if (Number(written) === 0 && /^[0.]*[1-9]/.test(written)) throw lostNumber(key)
    }
    if (!quoted) return
    if (quoted.key) key = JSON.parse(text.slice(quoted.open, quoted.close + 1)) as string
    from = quoted.close + 1
  }
}

function lostNumber(key: string | null): GavelError {
  const at = key === null ? '' : ` at ${JSON.stringify(key.slice(0, 100))}`
  const message = `The JSON has a number${at} that is too large or too small for JSON's numbers (double precision), and would become ∞ or 0. Send it as text.`
  return new GavelError('unprocessable', message, key === null ? {} : { param: key.slice(0, 100) })
}

/**
 * Whether a value is a number of more digits than JSON's numbers keep: a whole one whose last ones were lost when it was
 * read, or one so great (`1e400`) that it was read as infinite.
 */
export const hasLostDigits = (value: unknown): boolean =>
  typeof value === 'number' && (Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value))

/** Whether there is such a number anywhere in a JSON value. Without recursion. */
export function hasLostNumber(value: unknown): boolean {
  for (let level: unknown[] = [value]; level.length > 0;) {
    if (level.some(hasLostDigits)) return true
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []))
  }
  return false
}

/**
 * Reads JSON and is told of each number how it is written, where the runtime knows that (V8 since 11.4), with its key in
 * the object or array that holds it. Throws SyntaxError.
 */
export function parseJson(
  text: string,
  number: (value: number, source: string, key: string, holder: object) => unknown,
): unknown {
  function reviver(this: object, key: string, value: unknown, context?: { source?: string }): unknown {
    return typeof value === 'number' && context?.source !== undefined ? number(value, context.source, key, this) : value
  }
  return JSON.parse(text, reviver)
}

/** JSON whose numbers with lost digits are texts, as they are written. Where the runtime cannot, they stay lost. */
export const parseJsonNumbersAsText = (text: string): unknown =>
  parseJson(text, (value, source) => (hasLostDigits(value) ? source : value))

/** A number of JSON by its text, which `JSON.stringify` writes as it stands; missing where the runtime has none. */
export const { rawJSON } = JSON as { rawJSON?: (text: string) => object }

/**
 * JSON whose whole numbers keep all their digits when it is written again: those that a number would lose stand as
 * `JSON.rawJSON`. Where the runtime cannot, they stay lost.
 */
export const parseJsonKeepingDigits = (text: string): unknown =>
  parseJson(text, (value, source) =>
    rawJSON && hasLostDigits(value) && (Number.isFinite(value) || /^-?\d+$/.test(source)) ? rawJSON(source) : value,
  )

/** What is to be said of such a number, after its field. */
export const LOST_DIGITS =
  "is a number of more digits than JSON's numbers keep, so its last ones are lost already; send it as text"

/**
 * A JSON value as RFC 8785 (JSON Canonicalization Scheme) writes it: no white space, keys in order of their UTF-16 code
 * units, numbers and texts as ECMAScript writes them. Fields that are undefined are left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const record = value as Record<string, unknown>
  const parts: string[] = []
  for (const key of Object.keys(record).sort()) {
    if (record[key] !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(record[key])}`)
  }
  return `{${parts.join(',')}}`
}
