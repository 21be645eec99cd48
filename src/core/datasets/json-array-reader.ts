import { MAX_LINE_BYTES } from '../schemas/dataset.ts'
import { jsonRow, lineError, tooLong, type PlacedRow, type RowReader } from './row-reader.ts'

/** A JSON array of objects, cut into these as it comes. */
export function jsonArrayReader(): RowReader {
  /** Before the array; before an element or the end; in an element; after one; after the array. */
  let at: 'start' | 'value' | 'inside' | 'comma' | 'end' = 'start'
  let text = ''
  let line = 1
  let begun = 1
  let depth = 0
  let string = false
  let escaped = false
  let first = true
  return {
    push(chunk) {
      const rows: PlacedRow[] = []
      let from = 0
      for (let i = 0; i < chunk.length; i++) {
        const c = chunk[i]!
        if (c === '\n') line++
        if (at === 'inside') {
          if (escaped) escaped = false
          else if (string) {
            if (c === '\\') escaped = true
            else if (c === '"') string = false
          } else if (c === '"') string = true
          else if (c === '{' || c === '[') depth++
          else if ((c === '}' || c === ']') && --depth === 0) {
            rows.push(jsonRow(text + chunk.slice(from, i + 1), begun))
            text = ''
            at = 'comma'
          }
        } else if (c === '{' && at === 'value') {
          ;[at, from, begun, depth, first] = ['inside', i, line, 1, false]
        } else if (c === '[' && at === 'start') at = 'value'
        else if (c === ',' && at === 'comma') at = 'value'
        else if (c === ']' && (at === 'comma' || (at === 'value' && first))) at = 'end'
        else if (!/[ \t\r\n\ufeff]/.test(c)) throw lineError(line, strayIn(at, c))
      }
      if (at === 'inside') {
        text += chunk.slice(from)
        if (text.length > MAX_LINE_BYTES) throw tooLong(begun)
      }
      return rows
    },
    end() {
      if (at !== 'end') throw lineError(line, 'the JSON array breaks off here; it was not saved whole.')
      return []
    },
  }
}

function strayIn(at: string, c: string): string {
  const found = JSON.stringify(c)
  if (at === 'end') return `${found} follows the end of the JSON array; one array is a file.`
  if (at === 'comma') return `${found} stands where a comma or the end of the array should.`
  return `${found} stands where a row should, {…}: the array must hold objects with named columns.`
}
