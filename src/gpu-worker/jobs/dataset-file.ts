import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isBlank, parseRow, type NumberedRow } from '../../core/datasets/dataset-rows.ts'
import { LineSplitter } from '../../core/datasets/line-splitter.ts'
import { GavelError } from '../../core/errors.ts'
import type { Rows } from '../algorithms/run-context.ts'
import { note } from '../progress/progress-mark.ts'

/** Read at a time where rows are read in order. */
const BLOCK_BYTES = 1024 * 1024

/**
 * The rows of a dataset's file, each read when it is asked for. What is held is where they begin: 16 bytes a row.
 * Throws GavelError `bad_dataset_line` for a bad row, and where the file has not as many as were said.
 */
export class DatasetFile implements Rows {
  readonly length: number
  readonly #file: number
  readonly #starts: Float64Array
  readonly #sizes: Uint32Array
  readonly #lines: Uint32Array

  /** @param rows how many the file has */
  constructor(path: string, rows: number) {
    this.length = rows
    this.#starts = new Float64Array(rows)
    this.#sizes = new Uint32Array(rows)
    this.#lines = new Uint32Array(rows)
    this.#file = openSync(path, 'r')
    const found = this.#index()
    if (found === rows) return
    closeSync(this.#file)
    throw new GavelError('bad_dataset_line', `The dataset has ${found} rows instead of ${rows}. Upload it again.`)
  }

  at(index: number): NumberedRow {
    return this.#row(index, this.#read(this.#starts[index]!, this.#sizes[index]!))
  }

  *[Symbol.iterator](): Iterator<NumberedRow> {
    for (let from = 0, to = 0; from < this.length; from = to) {
      const start = this.#starts[from]!
      do to++
      while (to < this.length && this.#end(to) - start <= BLOCK_BYTES)
      const block = this.#read(start, this.#end(to - 1) - start)
      for (let i = from; i < to; i++) {
        yield this.#row(i, block.subarray(this.#starts[i]! - start, this.#end(i) - start))
      }
    }
  }

  #end(index: number): number {
    return this.#starts[index]! + this.#sizes[index]!
  }

  #row(index: number, bytes: Uint8Array): NumberedRow {
    note('row', index + 1)
    const line = this.#lines[index]!
    return { line, row: parseRow(bytes, line) }
  }

  /** Finds where the rows begin; answers how many there are. */
  #index(): number {
    const lines = new LineSplitter()
    const size = fstatSync(this.#file).size
    let found = 0
    const note = (line: Uint8Array) => {
      if (isBlank(line)) return
      this.#starts[found] = lines.start
      this.#sizes[found] = line.length
      this.#lines[found] = lines.line
      found++
    }
    for (let at = 0; at < size; at += BLOCK_BYTES) {
      for (const line of lines.push(this.#read(at, Math.min(BLOCK_BYTES, size - at)))) note(line)
    }
    for (const line of lines.end()) note(line)
    return found
  }

  #read(at: number, size: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(size)
    for (let have = 0; have < size;) {
      const read = readSync(this.#file, bytes, have, size - have, at + have)
      if (read === 0)
        throw new GavelError('bad_dataset_line', 'The file of a dataset became shorter. Start the job again.')
      have += read
    }
    return bytes
  }
}
