import type { NumberedRow, Rows } from './run-context.ts'

/** Prepared rows by their index, or in order. An array is such. */
export interface Prepared<T> extends Iterable<T> {
  readonly length: number
  at(index: number): T | undefined
}

/**
 * Rows as an algorithm needs them (tokenised, say), each prepared anew when it is asked for, so that a dataset of any
 * length takes the memory of a step. All are prepared once here, and let go: a bad row is told before the first step.
 */
export class PreparedRows<T> implements Prepared<T> {
  readonly length: number
  readonly #rows: Rows
  readonly #prepare: (row: NumberedRow) => T | null
  /** Indices of the rows that are not left out; null where none is. */
  readonly #kept: Uint32Array | null

  /**
   * @param prepare answers null for a row that is left out
   * @param look is shown every other row once
   */
  constructor(rows: Rows, prepare: (row: NumberedRow) => T | null, look: (prepared: T) => void = () => {}) {
    this.#rows = rows
    this.#prepare = prepare
    const kept: number[] = []
    let index = 0
    for (const row of rows) {
      const prepared = prepare(row)
      if (prepared !== null) {
        kept.push(index)
        look(prepared)
      }
      index++
    }
    this.length = kept.length
    this.#kept = kept.length === rows.length ? null : Uint32Array.from(kept)
  }

  /** @param index 0 … length − 1 */
  at(index: number): T {
    return this.#prepare(this.#rows.at(this.#kept ? this.#kept[index]! : index)!)!
  }

  /** Those of [from, to), as far as there are any. */
  slice(from: number, to: number): T[] {
    return Array.from({ length: Math.max(0, Math.min(to, this.length) - from) }, (_, i) => this.at(from + i))
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const row of this.#rows) {
      const prepared = this.#prepare(row)
      if (prepared !== null) yield prepared
    }
  }
}

/** Some of the rows, in the order of their indices. */
export const rowsAt = <T>(rows: Prepared<T>, indices: readonly number[]): Prepared<T> => ({
  length: indices.length,
  at: (index) => (index < indices.length ? rows.at(indices[index]!) : undefined),
  *[Symbol.iterator]() {
    for (const index of indices) yield rows.at(index)!
  },
})

/** The first rows. */
export function firstRows(rows: Rows, limit: number | undefined): Rows {
  if (limit === undefined || limit >= rows.length) return rows
  return {
    length: limit,
    at: (index) => rows.at(index),
    *[Symbol.iterator]() {
      let left = limit
      for (const row of rows) {
        yield row
        if (--left === 0) return
      }
    },
  }
}
