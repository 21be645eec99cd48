/** What JSON of others may be, what its numbers keep, and how it is written so that equal values are equal texts. */
import { GavelError } from './errors.ts'

/** Deepest nesting of arrays and objects that is accepted. */
export const MAX_JSON_DEPTH = 32

/**
 * Refuses JSON that is nested too deeply for what reads it later (databases count too). Without recursion.
 * @throws GavelError `unprocessable`
 */
export function checkDepth(value: unknown): void {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) {
      throw new GavelError('unprocessable', `The JSON is nested more than ${MAX_JSON_DEPTH} levels deep; flatten it.`)
    }
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []))
  }
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

/** Reads JSON and is told of each number how it is written, where the runtime knows that (V8 since 11.4). */
function parseJson(text: string, number: (value: number, source: string) => unknown): unknown {
  const reviver = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? number(value, context.source) : value
  return JSON.parse(text, reviver)
}

/** JSON whose numbers with lost digits are texts, as they are written. Where the runtime cannot, they stay lost. */
export const parseJsonNumbersAsText = (text: string): unknown =>
  parseJson(text, (value, source) => (hasLostDigits(value) ? source : value))

const { rawJSON } = JSON as { rawJSON?: (text: string) => object }

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
