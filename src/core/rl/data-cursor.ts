import { SeededRng } from './seeded-rng.ts'
import { shuffledIndices } from './shuffled-indices.ts'

export interface CursorState {
  /** Passes over the rows that are complete. */
  epoch: number
  /** Rows already taken in this pass, 0 … size − 1. */
  position: number
}

/**
 * Walks over `size` rows for ever, each epoch in its own order. The order depends on (seed, epoch) alone,
 * so the state is two integers and a restored cursor goes on exactly where the saved one stood.
 */
export class DataCursor {
  readonly #size: number
  readonly #seed: number | string
  #epoch: number
  #position: number
  #order: Uint32Array

  /** @param seed give two cursors of one run different seeds, e.g. `labelled/7` and `unlabelled/7` */
  constructor(size: number, seed: number | string, state: CursorState = { epoch: 0, position: 0 }) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`a cursor needs at least one row, got size ${size}`)
    const sound = Number.isInteger(state.epoch) && state.epoch >= 0 && Number.isInteger(state.position)
    if (!sound || state.position < 0 || state.position >= size) {
      throw new RangeError(
        `cursor state ${JSON.stringify(state)} does not fit ${size} rows: was the dataset changed since it was saved?`,
      )
    }
    this.#size = size
    this.#seed = seed
    this.#epoch = state.epoch
    this.#position = state.position
    this.#order = this.#orderOf(state.epoch)
  }

  /** The indices of the next `count` rows; crosses into the next epoch where this one ends. */
  take(count: number): number[] {
    const taken: number[] = []
    while (taken.length < count) {
      taken.push(this.#order[this.#position++]!)
      if (this.#position === this.#size) {
        this.#epoch++
        this.#position = 0
        this.#order = this.#orderOf(this.#epoch)
      }
    }
    return taken
  }

  state(): CursorState {
    return { epoch: this.#epoch, position: this.#position }
  }

  #orderOf(epoch: number): Uint32Array {
    return shuffledIndices(this.#size, new SeededRng(this.#seed, 'epoch', epoch))
  }
}
