import { GavelError } from '../errors.ts'
import { RunningSha256, type Sha256State } from '../running-sha256.ts'
import { completionOf, MAX_DATASET_BYTES, MAX_DATASET_ROWS } from '../schemas/dataset.ts'
import { isBlank, parseRow } from './dataset-rows.ts'
import { LineSplitter } from './line-splitter.ts'

/** What a dataset may hold at most. */
export interface DatasetLimits {
  bytes: number
  rows: number
}

/** The limits that an operator sets in the environment, or the usual ones. @throws Error naming the variable that is wrong */
export function datasetLimits(env: {
  GAVEL_MAX_DATASET_BYTES?: string | undefined
  GAVEL_MAX_DATASET_ROWS?: string | undefined
}): DatasetLimits {
  const read = (name: keyof typeof env, usual: number) => {
    const value = env[name] || String(usual)
    if (/^[1-9]\d{0,14}$/.test(value)) return Number(value)
    throw new Error(`${name} must be a whole number above 0, but is ${JSON.stringify(value)}.`)
  }
  return {
    bytes: read('GAVEL_MAX_DATASET_BYTES', MAX_DATASET_BYTES),
    rows: read('GAVEL_MAX_DATASET_ROWS', MAX_DATASET_ROWS),
  }
}

/** What is known of a file of rows; plain JSON, so that its next part or more rows are taken on from it. */
export interface Tally {
  rows: number
  /** Rows with an answer. */
  labelled: number
  /** Rows with a completion, or with messages that end with an answer. */
  completions: number
  bytes: number
  /** Line ends so far. */
  newlines: number
  /** Whether the last line has no end: the next part begins with one. */
  open: boolean
  hash: Sha256State
}

export const NO_ROWS: Tally = {
  rows: 0,
  labelled: 0,
  completions: 0,
  bytes: 0,
  newlines: 0,
  open: false,
  hash: new RunningSha256().state(),
}

/**
 * Checks JSONL as it comes, row by row, and counts; holds one line at most. Blank lines are let pass and not counted.
 * Push, then end; both throw GavelError: `bad_dataset_line` naming the first bad line (from 1, of the whole file) and its
 * field; `too_large` for a line, more rows or more bytes than may be; `unprocessable` for a file in UTF-16.
 */
export class RowChecker {
  readonly #limits: DatasetLimits
  readonly #tally: Tally
  readonly #hash: RunningSha256
  readonly #lines: LineSplitter
  #first = true

  /** @param before what the file holds already; this goes on from there */
  constructor(limits: DatasetLimits, before: Tally = NO_ROWS) {
    this.#limits = limits
    this.#tally = { ...before }
    this.#hash = new RunningSha256(before.hash)
    this.#lines = new LineSplitter(before.newlines + 1)
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#first) refuseUtf16(chunk)
    this.#first = false
    const tally = this.#tally
    tally.bytes += chunk.length
    if (tally.bytes > this.#limits.bytes) {
      throw new GavelError('too_large', `A dataset holds at most ${this.#limits.bytes} bytes here; split it.`)
    }
    for (const line of this.#lines.push(chunk)) this.#check(line)
    tally.newlines = this.#lines.line - 1
    tally.open = chunk.at(-1) !== NEWLINE
    this.#hash.update(chunk)
  }

  /** What was counted so far, whole lines only; for its hash, {@link end} it. */
  get tally(): Readonly<Tally> {
    return this.#tally
  }

  /** Checks the last line, too, and tells what there is. */
  end(): Tally {
    for (const line of this.#lines.end()) this.#check(line)
    return { ...this.#tally, hash: this.#hash.state() }
  }

  #check(bytes: Uint8Array): void {
    if (isBlank(bytes)) return
    const row = parseRow(bytes, this.#lines.line)
    const tally = this.#tally
    tally.rows++
    if (typeof row.answer === 'string') tally.labelled++
    if (completionOf(row) !== null) tally.completions++
    if (tally.rows > this.#limits.rows) {
      throw new GavelError('too_large', `A dataset holds at most ${this.#limits.rows} rows here; split it.`)
    }
  }
}

const NEWLINE = 10

/** @throws GavelError `unprocessable` for the first bytes of a text in UTF-16, as spreadsheets and PowerShell save it */
export function refuseUtf16(bytes: Uint8Array): void {
  const [a, b] = bytes
  const marked = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)
  if (!marked && a !== 0 && b !== 0) return
  throw new GavelError('unprocessable', 'The file is not UTF-8 but looks like UTF-16. Save it as UTF-8 and send that.')
}
