import { MAX_LINE_BYTES } from '../schemas/dataset.ts'
import type { SourceRow } from './row-forms.ts'
import { lineError, tooLong, type PlacedRow, type RowReader } from './row-reader.ts'

/**
 * CSV as RFC 4180 has it, with a header: fields between commas, in double quotes where they hold a comma, a quote (written
 * twice) or a line end; rows end with CRLF or LF. Every cell is a text; empty ones are left out of the row, and rows
 * without a character are skipped.
 */
export function csvReader(): RowReader {
  let header: string[] | null = null
  let cells: string[] = []
  let cell = ''
  /** A field that has not begun, that stands in quotes, that stands without, whose quotes were closed. */
  let at: 'begin' | 'quoted' | 'plain' | 'closed' = 'begin'
  let line = 1
  let begun = 1
  /** Characters of the row. */
  let length = 0
  let afterReturn = false

  const endCell = () => {
    cells.push(cell)
    cell = ''
    at = 'begin'
  }
  const endRow = (): PlacedRow[] => {
    const blank = at === 'begin' && cells.length === 0
    endCell()
    const values = cells
    const start = begun
    cells = []
    length = 0
    if (blank) return []
    if (header === null) {
      header = headerOf(values, start)
      return []
    }
    if (values.length !== header.length) {
      throw lineError(start, `the row has ${values.length} cells and the header ${header.length} columns. Mend the row; a cell with a comma stands in double quotes.`) // prettier-ignore
    }
    const row: SourceRow = {}
    header.forEach((name, i) => {
      if (values[i] !== '') row[name] = values[i]
    })
    return [{ line: start, row }]
  }

  return {
    push(text) {
      const rows: PlacedRow[] = []
      for (const c of text) {
        if (++length > MAX_LINE_BYTES) throw tooLong(begun)
        if (afterReturn && c !== '\n') {
          throw lineError(line, 'a carriage return stands without a line feed; save the file with line ends of Windows or Unix.') // prettier-ignore
        }
        if (at === 'quoted') {
          if (c === '"') at = 'closed'
          else cell += c
          if (c === '\n') line++
        } else if (c === '\n') {
          rows.push(...endRow())
          afterReturn = false
          begun = ++line
        } else if (c === '\r') afterReturn = true
        else if (c === ',') endCell()
        else if (c === '"') {
          if (at === 'plain') throw lineError(line, 'a double quote stands in the middle of a cell; put the cell in quotes and write the quote twice.') // prettier-ignore
          if (at === 'closed') cell += c
          at = 'quoted'
        } else if (at === 'closed') {
          throw lineError(line, `${JSON.stringify(c)} follows a closing quote; a quote in a cell is written twice.`)
        } else if (c !== '\ufeff' || line > 1 || at !== 'begin' || cells.length > 0) {
          cell += c
          at = 'plain'
        }
      }
      return rows
    },
    end() {
      if (at === 'quoted') throw lineError(begun, 'a cell that begins with a double quote in this row never ends.')
      const rows = at === 'begin' && cells.length === 0 ? [] : endRow()
      if (header === null) throw lineError(1, 'there is no header; the first row must name the columns.')
      return rows
    },
  }
}

function headerOf(names: readonly string[], line: number): string[] {
  const header = names.map((name) => name.trim())
  const twice = header.find((name, i) => header.indexOf(name) !== i)
  if (header.includes('')) throw lineError(line, 'a column of the header has no name; name every column.')
  if (twice !== undefined) throw lineError(line, `the header names ${JSON.stringify(twice)} twice; keep one.`)
  return header
}
