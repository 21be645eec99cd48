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
