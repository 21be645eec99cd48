import { GavelError } from '../errors.ts'
import { checkDepth } from '../json.ts'
import { completionOf, datasetRow, MAX_LINE_BYTES, MAX_ROWS, type DatasetRow } from '../schemas/dataset.ts'
import { parse } from '../schemas/parse.ts'

const NEWLINE = 10

/**
 * Checks a JSONL file line by line. Blank lines are let pass and not counted as rows.
 * @param bytes UTF-8, with or without a byte order mark
 * @returns how many rows there are, and how many carry an answer and a completion
 * @throws GavelError `bad_dataset_line` naming the first bad line (from 1) and its field; `too_large` for a line or a
 *   file beyond the limits
 */
export function checkDataset(bytes: Uint8Array): { rows: number; labelled: number; completions: number } {
  const count = { rows: 0, labelled: 0, completions: 0 }
  for (const { row } of datasetRows(bytes)) {
    count.rows++
    if (count.rows > MAX_ROWS) throw new GavelError('too_large', `A dataset holds at most ${MAX_ROWS} rows; split it.`)
    if (typeof row.answer === 'string') count.labelled++
    if (completionOf(row) !== null) count.completions++
  }
  if (count.rows === 0)
    throw new GavelError('unprocessable', 'The dataset has no rows; send JSONL, one JSON object a line.')
  return count
}

/** The rows of a JSONL file with their line numbers, each checked as it comes. Throws like {@link checkDataset}. */
export function* datasetRows(bytes: Uint8Array): Generator<{ line: number; row: DatasetRow }> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start)
    const end = newline === -1 ? bytes.length : newline
    if (end - start > MAX_LINE_BYTES) {
      throw new GavelError('too_large', `Line ${line} is longer than ${MAX_LINE_BYTES} bytes; shorten it.`, {
        param: `line ${line}`,
      })
    }
    const row = parseLine(bytes.subarray(start, end), line, decoder)
    if (row) yield { line, row }
    start = end + 1
  }
}

function parseLine(bytes: Uint8Array, line: number, decoder: TextDecoder): DatasetRow | null {
  const bad = (why: string, param = `line ${line}`) =>
    new GavelError(
      'bad_dataset_line',
      `Line ${line}: ${why} Nothing was stored; mend the line and send the file again.`,
      { param },
    )
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw bad('it is not valid UTF-8.')
  }
  if (text.trim() === '') return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`it is not valid JSON (${(error as Error).message.slice(0, 200)}).`)
  }
  try {
    checkDepth(value)
    return parse(datasetRow, value, 'row')
  } catch (error) {
    if (!(error instanceof GavelError)) throw error
    throw bad(error.message, `line ${line}, ${error.param ?? 'row'}`)
  }
}
