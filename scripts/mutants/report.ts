/** What became of the mutants. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, type Mutant } from './mutants.ts'

export interface Result extends Mutant {
  outcome: 'caught' | 'late' | 'equivalent' | 'survived'
  /** The test files that ran, in order; the last of them caught it if it was caught. */
  tests: string[]
  /** For those known to change nothing that could be seen. */
  reason?: string
}

/** A mutant that no test can tell from the source, by what its line says: line numbers shift. */
export interface Equivalent {
  file: string
  original: string
  mutated: string
  reason: string
}

export function readEquivalents(): Equivalent[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'equivalent.json'), 'utf8')) as Equivalent[]
}

export const isSame = (a: Omit<Equivalent, 'reason'>, b: Omit<Equivalent, 'reason'>): boolean =>
  a.file === b.file && a.original === b.original && a.mutated === b.mutated

const count = (results: readonly Result[], ...outcomes: Result['outcome'][]): number =>
  results.filter(({ outcome }) => outcomes.includes(outcome)).length

/** The share that tests caught of those that can be caught; 1 where there are none. */
export function shareCaught(results: readonly Result[]): number {
  const countable = results.length - count(results, 'equivalent')
  return countable === 0 ? 1 : count(results, 'caught', 'late') / countable
}

export function report(results: readonly Result[]): string {
  const folders = [...Map.groupBy(results, ({ file }) => folderOf(file)), ['all', results] as const]
  const rows = folders.map(([folder, own]) => [
    folder,
    ...[own.length, count(own, 'caught', 'late'), count(own, 'late'), count(own, 'equivalent'), count(own, 'survived')],
    `${(100 * shareCaught(own)).toFixed(1)} %`,
  ])
  const head = ['folder', 'mutants', 'caught', 'by time', 'equivalent', 'survived', 'share']
  const widest = Math.max(...rows.map(([folder]) => String(folder).length))
  const table = [head, ...rows].map(([folder, ...cells]) =>
    [String(folder).padEnd(widest), ...cells.map((cell) => String(cell).padStart(10))].join(' '),
  )
  const survivors = results.filter(({ outcome }) => outcome === 'survived').map(shown)
  return [...table, ...(survivors.length > 0 ? ['', ...survivors] : [])].join('\n')
}

export function shown({ file, line, original, mutated, tests }: Result): string {
  const ran = tests.length > 0 ? `tests that ran: ${tests.join(', ')}` : 'no test runs this line'
  return `${file}:${line}  ${original} → ${mutated}  (${ran})`
}
