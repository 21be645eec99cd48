import { readFileSync } from 'node:fs'
import { refuseLosses } from '../core/json.ts'
import { CliError, EXIT } from './io.ts'

/** A file's bytes; `-` is standard input. @throws CliError when it cannot be read */
export function readInput(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path === '-' ? 0 : path))
  } catch (error) {
    throw new CliError(`${path} cannot be read (${(error as Error).message}). Check the path.`, EXIT.usage)
  }
}

/** A file's text. @throws CliError when it cannot be read, or is not UTF-8 */
function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readInput(path))
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`${path} is not UTF-8. Save it as UTF-8.`, EXIT.usage)
  }
}

/** A file that holds one JSON object. @throws CliError when it cannot be read or holds something else */
export function readJsonObject(path: string): Record<string, unknown> {
  const text = readText(path)
  try {
    const value = JSON.parse(text) as unknown
    refuseLosses(text, value)
    if (isObject(value)) return value
  } catch (error) {
    const why = `is ${error instanceof SyntaxError ? 'not valid JSON' : 'refused'} (${(error as Error).message})`
    throw new CliError(`${path} ${why}. Mend it.`, EXIT.usage)
  }
  throw new CliError(`${path} must hold one JSON object, {…}.`, EXIT.usage)
}

export interface JsonLine {
  /** From 1. */
  line: number
  row: Record<string, unknown>
}

/**
 * The rows of a JSONL file; blank lines are let pass.
 * @param check what is wrong with a row, or null
 * @param read how a line's JSON is read
 * @throws CliError naming every bad line (the first few in full)
 */
export function readJsonLines(
  path: string,
  check: (row: Record<string, unknown>) => string | null,
  read: (text: string) => unknown = JSON.parse,
): JsonLine[] {
  const rows: JsonLine[] = []
  const wrong: string[] = []
  for (const [index, text] of readText(path).split('\n').entries()) {
    if (text.trim() === '') continue
    const line = index + 1
    const row = parseLine(text, read)
    const problem = typeof row === 'string' ? row : check(row)
    if (problem !== null) wrong.push(`line ${line} ${problem}`)
    else rows.push({ line, row: row as Record<string, unknown> })
  }
  if (wrong.length > 0) {
    const more = wrong.length > SHOWN ? `; and ${wrong.length - SHOWN} more` : ''
    throw new CliError(`${path}: ${wrong.slice(0, SHOWN).join('; ')}${more}. Mend them and run it again.`)
  }
  if (rows.length === 0) throw new CliError(`${path} has no rows. Give JSONL: one JSON object a line.`)
  return rows
}

/** Most bad lines that are named. */
const SHOWN = 10

function parseLine(text: string, read: (text: string) => unknown): Record<string, unknown> | string {
  try {
    const value = read(text)
    refuseLosses(text, value)
    return isObject(value) ? value : 'is not a JSON object'
  } catch (error) {
    return `is ${error instanceof SyntaxError ? 'not valid JSON' : 'refused'} (${(error as Error).message.slice(0, 120)})`
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
