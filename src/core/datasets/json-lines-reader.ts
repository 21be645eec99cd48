import { MAX_LINE_BYTES } from '../schemas/dataset.ts'
import { jsonRow, tooLong, type PlacedRow, type RowReader } from './row-reader.ts'

/** One JSON object a line. */
export function jsonLinesReader(): RowReader {
  let held = ''
  let line = 0
  const row = (text: string): PlacedRow[] => {
    line++
    if (text.length > MAX_LINE_BYTES) throw tooLong(line)
    return /^[ \t\r\ufeff]*$/.test(text) ? [] : [jsonRow(text.replace(/^\ufeff/, ''), line)]
  }
  return {
    push(text) {
      const lines = text.split('\n')
      lines[0] = held + lines[0]!
      held = lines.pop()!
      const rows = lines.flatMap(row)
      if (held.length > MAX_LINE_BYTES) throw tooLong(line + 1)
      return rows
    },
    end: () => (held === '' ? [] : row(held)),
  }
}
