import { all } from '../client.ts'
import type { Io } from './io.ts'

/** Prints a value: as one line of JSON where that was asked for, else as the text made of it. */
export function print<T>(io: Io, options: { json?: boolean }, value: T, text: (value: T) => string): void {
  io.out(`${options.json ? JSON.stringify(value) : visible(text(value))}\n`)
}

/** Columns by their heading: what each shows of a row. */
export type Columns<T> = Record<string, (row: T) => string | number>

/** Prints the first rows of a list: one JSON array, or a table. Says when there are more. */
export async function printList<T>(
  io: Io,
  options: { json?: boolean; limit: number },
  list: (query: { limit: number }) => AsyncIterable<T>,
  columns: Columns<T>,
): Promise<void> {
  const rows = await all(list({ limit: options.limit + 1 }))
  print(io, options, rows.slice(0, options.limit), (shown) => table(columns, shown))
  if (rows.length > options.limit) io.err(`There are more than ${options.limit}; --limit N shows N.\n`)
}

/** Rows under their headings, in columns as wide as they need to be. */
export function table<T>(columns: Columns<T>, rows: readonly T[]): string {
  const cells = rows.map((row) => Object.values(columns).map((show) => visible(String(show(row))).replace(/\s+/g, ' ')))
  const lines = [Object.keys(columns), ...cells]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Text of others, without what would steer a terminal: control characters are shown as `\x1b`. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** Unix seconds as `2026-01-31 13:05:09` UTC; a dash where there are none. */
export const time = (seconds: number | null) =>
  seconds === null ? '-' : new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')

/** The start of a text, on one line, in at most `width` characters. */
export function excerpt(text: string, width = 72): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}

/** A number in at most four significant digits. */
export const figure = (value: number) => String(Number(value.toPrecision(4)))

/** A fraction as a percentage with one decimal. */
export const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`

/** 1234567 as `1.2 MB`. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${Number((bytes / 1000 ** power).toFixed(power && 1))} ${units[power]}`
}
