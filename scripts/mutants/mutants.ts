/** The mutants of a source: one for each line that has something to change. */
import { createHash } from 'node:crypto'
import { stripTypeScriptTypes } from 'node:module'
import ts from 'typescript'
import { candidates, type Change } from './candidates.ts'

export interface Mutant extends Change {
  file: string
  /** From 1. */
  line: number
  /** Where its lines begin and end in the text. */
  from: number
  to: number
  /** The lines that the change touches, before and after it, white space folded. */
  original: string
  mutated: string
}

/** A number in [0, 2^32) that depends on all of its names and on nothing else. */
export const draw = (...names: (string | number)[]): number =>
  createHash('sha256').update(JSON.stringify(names)).digest().readUInt32BE()

export const apply = (text: string, { start, end, text: put }: Change): string =>
  text.slice(0, start) + put + text.slice(end)

const folded = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** As Node reads it when it runs. */
function parses(text: string): boolean {
  try {
    stripTypeScriptTypes(text)
    return true
  } catch {
    return false
  }
}

/**
 * Which change a line gets depends on the seed and on what the line says, not on its number: edits elsewhere in the
 * file leave its mutant as it was. A change that does not parse gives its place to another.
 */
export function mutantsOf(file: string, text: string, seed: number): Mutant[] {
  const starts = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext).getLineStarts()
  const lineOf = (at: number) => starts.findLastIndex((start) => start <= at)
  const lineEnd = (line: number) => starts[line + 1] ?? text.length
  const seen = new Map<string, number>()
  const byLine = Map.groupBy(candidates(text, file), ({ start }) => lineOf(start))
  return [...byLine].flatMap(([line, changes]) => {
    const from = starts[line] ?? 0
    const says = folded(text.slice(from, lineEnd(line)))
    const nth = seen.get(says) ?? 0
    seen.set(says, nth + 1)
    const turn = draw(seed, file, says, nth) % changes.length
    const change = [...changes.slice(turn), ...changes.slice(0, turn)].find((each) => parses(apply(text, each)))
    if (!change) return []
    const to = lineEnd(lineOf(change.end - 1))
    const original = folded(text.slice(from, to))
    const mutated = folded(text.slice(from, change.start) + change.text + text.slice(change.end, to))
    return [{ ...change, file, line: line + 1, from, to, original, mutated }]
  })
}

export const folderOf = (file: string): string => file.slice(0, file.lastIndexOf('/'))

/** `count` of the mutants, each folder in proportion to what it holds, but at least one of each; in order of place. */
export function sample(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  if (count >= mutants.length) return [...mutants]
  const folders = [...Map.groupBy(mutants, ({ file }) => folderOf(file)).values()]
  const kept = folders.flatMap((own) => {
    const share = Math.max(1, Math.round((count * own.length) / mutants.length))
    const rank = ({ file, original, mutated, line }: Mutant) => draw(seed, 'sample', file, original, mutated, line)
    return own.toSorted((a, b) => rank(a) - rank(b)).slice(0, share)
  })
  const chosen = new Set(kept)
  return mutants.filter((mutant) => chosen.has(mutant))
}
