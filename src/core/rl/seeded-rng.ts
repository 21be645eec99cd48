import type { Rng } from '../ports.ts'

/** The whole state of a {@link SeededRng}: four unsigned 32-bit integers, fit for JSON. */
export type RngState = [number, number, number, number]

/**
 * A seeded generator whose state can be saved and restored, so that a resumed run draws the same numbers.
 *
 * xoshiro128++ 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), period 2^128 − 1.
 * Integer arithmetic only: the same sequence on every machine.
 */
export class SeededRng implements Rng {
  // The four words apart, and not in an array: drawing is the innermost loop of sampling and of fresh weights.
  #a: number
  #b: number
  #c: number
  #d: number

  /**
   * @param seed any finite integer or text
   * @param path names an independent stream of that seed, e.g. `new SeededRng(7, 'rollout', step)`
   */
  constructor(seed: number | string, ...path: (number | string)[]) {
    ;[this.#a, this.#b, this.#c, this.#d] = hashToState([seed, ...path])
  }

  static restore(state: RngState): SeededRng {
    const sound = state.length === 4 && state.every((word) => word === word >>> 0) && state.some((word) => word !== 0)
    if (!sound) throw new RangeError(`an Rng state is four unsigned 32-bit integers, not all zero; got [${state}]`)
    const rng = new SeededRng(0)
    ;[rng.#a, rng.#b, rng.#c, rng.#d] = state
    return rng
  }

  state(): RngState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0]
  }

  /** The next 32 random bits, as an unsigned integer. */
  uint32(): number {
    const result = (rotl((this.#a + this.#d) | 0, 7) + this.#a) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = rotl(this.#d, 11)
    return result
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}

/** Spreads a path of names over 128 bits: FNV-1a over the text, then MurmurHash3's 32-bit finaliser per word. */
function hashToState(path: (number | string)[]): RngState {
  const text = JSON.stringify(path)
  const state: RngState = [hashWord(text, 0), hashWord(text, 1), hashWord(text, 2), hashWord(text, 3)]
  return state.every((word) => word === 0) ? [1, 0, 0, 0] : state
}

function hashWord(text: string, word: number): number {
  let hash = (0x811c9dc5 + Math.imul(word, 0x9e3779b9)) | 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
