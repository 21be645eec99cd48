import { GavelError } from '../errors.ts'

/** One half of a surrogate pair, as JSON may write it; both halves together are a character and all right. */
const HALF_CHARACTER = /\\ud[89a-f]/i

/**
 * Refuses texts with half a character: as UTF-8 it would become another one.
 * @param text the JSON that `value` was read from
 * @throws GavelError `unprocessable` naming the field
 */
export function refuseHalfCharacters(text: string, value: unknown): void {
  if (HALF_CHARACTER.test(text)) refuseIn(value, 'row')
}

function refuseIn(value: unknown, field: string): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    const message = `\`${field}\` has half a character (a lone surrogate such as \\ud83d), which is no text; mend or drop it.`
    throw new GavelError('unprocessable', message, { param: field })
  }
  if (value === null || typeof value !== 'object') return
  for (const [key, inner] of Object.entries(value)) {
    if (!key.isWellFormed()) refuseIn(key, 'a key')
    refuseIn(inner, field === 'row' ? key : field)
  }
}
