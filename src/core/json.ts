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

/** Whether a value is a whole number of more digits than JSON's numbers keep: its last ones were lost when it was read. */
export const hasLostDigits = (value: unknown): boolean => Number.isInteger(value) && !Number.isSafeInteger(value)

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
