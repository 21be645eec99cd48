import { GavelError } from '../errors.ts'
import { parseStrictJson } from '../json.ts'
import { datasetRow, type DatasetRow } from '../schemas/dataset.ts'
import { parse } from '../schemas/parse.ts'
import { refuseHalfCharacters } from './half-characters.ts'
import { LineSplitter } from './line-splitter.ts'
import { nameForm } from './row-forms.ts'

/** A row with the number of its line in the file, from 1. */
export interface NumberedRow {
  line: number
  row: DatasetRow
}

/**
 * The rows of JSONL, each checked as it comes, with no more in memory than a chunk and a line. Blank lines are let pass.
 * @param chunks UTF-8, cut anywhere
 * @param line number of the first line
 * @throws GavelError as {@link parseRow}; `too_large` for a line beyond the limit
 */
export async function* datasetRows(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  line = 1,
): AsyncGenerator<NumberedRow> {
  const lines = new LineSplitter(line)
  for await (const chunk of chunks) {
    for (const bytes of lines.push(chunk))
      if (!isBlank(bytes)) yield { line: lines.line, row: parseRow(bytes, lines.line) }
  }
  for (const bytes of lines.end()) if (!isBlank(bytes)) yield { line: lines.line, row: parseRow(bytes, lines.line) }
}

/** Whether a line has nothing but white space and, at its beginning, a byte order mark. */
export function isBlank(line: Uint8Array): boolean {
  let i = line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? 3 : 0
  while (i < line.length && (line[i] === 0x20 || line[i] === 0x09 || line[i] === 0x0d)) i++
  return i === line.length
}

/** Takes a byte order mark at the beginning for none: files that are put together have them in the middle. */
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/**
 * One line of a dataset.
 * @param bytes UTF-8, without its newline
 * @throws GavelError `bad_dataset_line` naming the line and its field
 */
export function parseRow(bytes: Uint8Array, line: number): DatasetRow {
  const bad = (why: string, param = `line ${line}`) =>
    new GavelError(
      'bad_dataset_line',
      `Line ${line}: ${why} Nothing was stored; mend the line and send the file again.`,
      { param },
    )
  let text: string
  try {
    text = DECODER.decode(bytes)
  } catch {
    throw bad('it is not valid UTF-8.')
  }
  let value: unknown
  try {
    value = parseStrictJson(text)
    refuseHalfCharacters(text, value)
    return parse(datasetRow, value, 'row')
  } catch (error) {
    if (error instanceof SyntaxError) throw bad(`it is not valid JSON (${error.message.slice(0, 200)}).`)
    if (!(error instanceof GavelError)) throw error
    throw bad(`${error.message}${nameForm(value)}`, `line ${line}, ${error.param ?? 'row'}`)
  }
}
