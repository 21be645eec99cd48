import { GavelError } from '../errors.ts'
import { datasetRow } from '../schemas/dataset.ts'
import { parse } from '../schemas/parse.ts'
import { csvReader } from './csv-reader.ts'
import { jsonArrayReader } from './json-array-reader.ts'
import { jsonLinesReader } from './json-lines-reader.ts'
import { refuseUtf16 } from './row-checker.ts'
import { convertRow, ROW_FORMS, ROW_FORMS_TAKEN, rowFormOf, type RowFormName } from './row-forms.ts'
import { lineError, type PlacedRow, type RowReader } from './row-reader.ts'

const CONTAINERS = ['jsonl', 'json', 'csv'] as const
type Container = (typeof CONTAINERS)[number]
const READERS = { jsonl: jsonLinesReader, json: jsonArrayReader, csv: csvReader } satisfies Record<
  Container,
  () => RowReader
>

/** What a file may be said to be: by its syntax, by the form of its rows, or to be found out. */
export const FILE_FORMATS = ['auto', ...CONTAINERS, ...ROW_FORMS_TAKEN] as const
export type FileFormat = (typeof FILE_FORMATS)[number]

/** What was made of a file. */
export interface Taken {
  form: RowFormName
  rows: number
  /** Columns that are kept and that nothing uses, the first few. */
  unused: readonly string[]
}

/** Most unused columns that are told. */
const TOLD_COLUMNS = 20
const USED = new Set(['id', 'prompt', 'messages', 'answer', 'completion'])

/**
 * Makes a dataset's JSONL of a file in one of the forms that people have, as it comes: all rows in the form of the first.
 * JSONL in Gavel's own form comes out byte for byte. Throws GavelError naming the first line that cannot be taken and
 * what to do about it; nothing is taken by halves.
 */
export class DatasetConverter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  readonly #encoder = new TextEncoder()
  readonly #unused = new Set<string>()
  #container: Container | null
  #form: RowFormName | null
  #reader: RowReader | null = null
  /** What came before anything could be told of it. */
  #begun: Uint8Array[] = []
  #start = ''
  #line = 1
  /** The last bytes of the chunk before: a character may begin there. */
  #tail = new Uint8Array()
  #rows = 0

  /** @param fileName tells CSV, which cannot be told by how it begins */
  constructor(format: FileFormat = 'auto', fileName = '') {
    const isContainer = (CONTAINERS as readonly string[]).includes(format)
    this.#container = isContainer ? (format as Container) : /\.csv$/i.test(fileName) ? 'csv' : null
    this.#form = isContainer || format === 'auto' ? null : (format as RowFormName)
  }

  /** The JSONL of the rows that end in this chunk. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#rows === 0 && this.#begun.length === 0) refuseUtf16(chunk)
    return this.#take(chunk, this.#decode(chunk), false)
  }

  /** The rest of it. @throws GavelError `unprocessable` also where there are no rows */
  end(): Uint8Array[] {
    const last = this.#take(new Uint8Array(), this.#decode(), true)
    if (this.#rows > 0) return last
    throw new GavelError('unprocessable', 'The file has no rows.')
  }

  /** What was made of it, once all is through. */
  taken(): Taken {
    return { form: this.#form!, rows: this.#rows, unused: [...this.#unused] }
  }

  #decode(chunk?: Uint8Array): string {
    const before = this.#tail
    try {
      const text = this.#decoder.decode(chunk, { stream: chunk !== undefined })
      for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#line++
      this.#tail = chunk?.slice(-3) ?? before
      return text
    } catch {
      const line = this.#line + linesBeforeBadBytes(before, chunk ?? new Uint8Array())
      throw lineError(line, 'it is not valid UTF-8. Save the file as UTF-8.')
    }
  }

  #take(chunk: Uint8Array, text: string, last: boolean): Uint8Array[] {
    const reader = this.#open(text)
    if (!reader) {
      this.#begun.push(chunk.slice())
      return []
    }
    const rows = reader.push(this.#start + text)
    this.#start = ''
    if (last) rows.push(...reader.end())
    const jsonl = rows.map((row) => this.#convert(row)).join('')
    if (this.#rows === 0) {
      this.#begun.push(chunk.slice())
      return []
    }
    const begun = this.#begun
    this.#begun = []
    if (this.#container === 'jsonl' && this.#form === 'gavel') return [...begun, chunk]
    return [this.#encoder.encode(jsonl)]
  }

  /** The reader of the file, once it has begun with more than blanks. */
  #open(text: string): RowReader | null {
    if (this.#reader) return this.#reader
    const first = /[^ \t\r\n\ufeff]/.exec(text)?.[0]
    if (this.#container === null && first === undefined) {
      this.#start += text
      return null
    }
    this.#container ??= first === '{' ? 'jsonl' : first === '[' ? 'json' : null
    if (this.#container === null) {
      const message = `It begins with ${JSON.stringify(first)}, so it is neither JSONL ({…} a line) nor a JSON array ([{…}, …]). Where it is CSV, say so with --format csv.`
      throw new GavelError('unprocessable', message)
    }
    return (this.#reader = READERS[this.#container]())
  }

  #convert({ line, row }: PlacedRow): string {
    try {
      this.#form ??= rowFormOf(row)
      const converted = convertRow(row, this.#form)
      for (const name of Object.keys(converted)) {
        if (!USED.has(name) && converted[name] != null && this.#unused.size < TOLD_COLUMNS) this.#unused.add(name)
      }
      // What comes out as it is the API checks, with the same line numbers.
      const asIs = this.#container === 'jsonl' && this.#form === 'gavel'
      this.#rows++
      return asIs ? '' : `${JSON.stringify(parse(datasetRow, converted, 'row'))}\n`
    } catch (error) {
      if (!(error instanceof GavelError)) throw error
      throw lineError(line, error.message, `line ${line}, ${error.param ?? 'row'}`)
    }
  }
}

/** How many lines end in a chunk before its first bytes that are not UTF-8. */
function linesBeforeBadBytes(before: Uint8Array, chunk: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  // From the last byte on that begins a character of several.
  const begun = before.findLastIndex((byte) => byte >= 0xc0)
  let lines = 0
  try {
    if (begun >= 0) decoder.decode(before.subarray(begun), { stream: true })
    for (let i = 0; i < chunk.length; i++) {
      if (decoder.decode(chunk.subarray(i, i + 1), { stream: true }) === '\n') lines++
    }
  } catch {
    return lines
  }
  return lines
}

/** `1,000 rows of Alpaca: instruction + input → prompt, output → completion`. */
export function describeTaken({ form, rows, unused }: Taken): string {
  const { label, meaning } = ROW_FORMS[form]
  const kept = unused.length > 0 ? `; kept and not used: ${unused.join(', ')}` : ''
  return `${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'} of ${label}: ${meaning}${kept}`
}
