/** What readers of files of rows have in common. Text is pushed as it comes; rows come out with the line that they begin on. */
import { GavelError } from '../errors.ts'
import { parseStrictJson } from '../json.ts'
import { MAX_LINE_BYTES } from '../schemas/dataset.ts'
import { refuseHalfCharacters } from './half-characters.ts'
import type { SourceRow } from './row-forms.ts'

export interface PlacedRow {
  line: number
  row: SourceRow
}

/** Both throw GavelError `unprocessable` or `too_large` naming the line. */
export interface RowReader {
  push(text: string): PlacedRow[]
  end(): PlacedRow[]
}

export function lineError(line: number, why: string, param = `line ${line}`): GavelError {
  return new GavelError('unprocessable', `line ${line}: ${why}`, { param })
}

export function tooLong(line: number): GavelError {
  const message = `line ${line}: the row is longer than ${MAX_LINE_BYTES} bytes; shorten it.`
  return new GavelError('too_large', message, { param: `line ${line}` })
}

/** A row of JSON. @throws GavelError naming the line */
export function jsonRow(text: string, line: number): PlacedRow {
  let value: unknown
  try {
    value = parseStrictJson(text)
    refuseHalfCharacters(text, value)
  } catch (error) {
    if (error instanceof GavelError) throw lineError(line, error.message, `line ${line}, ${error.param ?? 'row'}`)
    throw lineError(line, `it is not valid JSON (${(error as Error).message.slice(0, 200)}).`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { line, row: value as SourceRow }
  throw lineError(line, 'it must be a JSON object, {…}, with named columns.')
}
