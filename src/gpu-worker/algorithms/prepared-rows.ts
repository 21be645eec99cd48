import type { NumberedRow, Rows } from './run-context.ts'

/**
 * Rows as an algorithm needs them (tokenised, say), each prepared anew when it is asked for, so that a dataset of any
 * length takes the memory of a step. All are prepared once here, and let go: a bad row is told before the first step.
 */
export class PreparedRows<T> implements Iterable<T> {
  readonly length: number
  readonly #rows: Rows
  readonly #prepare: (row: NumberedRow) => T

  /** @param look is shown every row once */
  constructor(rows: Rows, prepare: (row: NumberedRow) => T, look: (prepared: T) => void = () => {}) {
    this.length = rows.length
    this.#rows = rows
    this.#prepare = prepare
    for (const prepared of this) look(prepared)
  }

  /** @param index 0 … length − 1 */
  at(index: number): T {
    return this.#prepare(this.#rows.at(index)!)
  }

  /** Those of [from, to), as far as there are any. */
  slice(from: number, to: number): T[] {
    return Array.from({ length: Math.max(0, Math.min(to, this.length) - from) }, (_, i) => this.at(from + i))
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const row of this.#rows) yield this.#prepare(row)
  }
}

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
