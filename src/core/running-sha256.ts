/**
 * SHA-256 (FIPS 180-4) of bytes as they come, with a state that can be written down and gone on from: a file in parts,
 * or with rows appended, is hashed once. Web Crypto hashes only what is there whole; use `sha256Hex` for that.
 */
export class RunningSha256 {
  readonly #words: Uint32Array
  readonly #rest = new Uint8Array(64)
  #length: number

  /** @param state of {@link RunningSha256.state}; left out: of nothing yet */
  constructor(state: Sha256State = { words: FIRST_WORDS, rest: '', length: 0 }) {
    this.#words = Uint32Array.from(state.words)
    this.#rest.set(fromHex(state.rest))
    this.#length = state.length
  }

  update(bytes: Uint8Array): void {
    const held = this.#length % 64
    this.#length += bytes.length
    let from = 0
    if (held > 0) {
      from = Math.min(64 - held, bytes.length)
      this.#rest.set(bytes.subarray(0, from), held)
      if (held + from < 64) return
      compress(this.#words, this.#rest, 0, 64)
    }
    const whole = from + ((bytes.length - from) & ~63)
    compress(this.#words, bytes, from, whole)
    this.#rest.set(bytes.subarray(whole))
  }

  /** The hash of all bytes so far, in lower-case hexadecimal. More may follow. */
  hex(): string {
    const held = this.#length % 64
    const last = new Uint8Array(held < 56 ? 64 : 128)
    last.set(this.#rest.subarray(0, held))
    last[held] = 0x80
    const view = new DataView(last.buffer)
    view.setUint32(last.length - 8, Math.floor(this.#length / 0x2000_0000))
    view.setUint32(last.length - 4, (this.#length * 8) >>> 0)
    const words = this.#words.slice()
    compress(words, last, 0, last.length)
    return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
  }

  state(): Sha256State {
    return { words: [...this.#words], rest: toHex(this.#rest.subarray(0, this.#length % 64)), length: this.#length }
  }
}

/** Plain JSON: the eight words, the bytes after the last whole block in hexadecimal, and how many bytes there were. */
export interface Sha256State {
  words: readonly number[]
  rest: string
  length: number
}

const toHex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16))

/** The first `count` primes, whose roots the constants are the fractions of. */
function primes(count: number): number[] {
  const found: number[] = []
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n)
  return found
}
const fraction = (x: number) => ((x - Math.floor(x)) * 2 ** 32) >>> 0
const FIRST_WORDS = primes(8).map((prime) => fraction(Math.sqrt(prime)))
const ROUNDS = Uint32Array.from(primes(64), (prime) => fraction(Math.cbrt(prime)))
const SCHEDULE = new Int32Array(64)

/** Takes in the whole blocks of 64 bytes in `bytes[from, to)`. */
function compress(words: Uint32Array, bytes: Uint8Array, from: number, to: number): void {
  const w = SCHEDULE
  let [h0, h1, h2, h3, h4, h5, h6, h7] = words as unknown as [number, number, number, number, number, number, number, number] // prettier-ignore
  for (let at = from; at < to; at += 64) {
    for (let t = 0; t < 16; t++) {
      const i = at + 4 * t
      w[t] = (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15]!
      const y = w[t - 2]!
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = [h0 | 0, h1 | 0, h2 | 0, h3 | 0, h4 | 0, h5 | 0, h6 | 0, h7 | 0]
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[t]! + w[t]!) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    h0 = (h0 + a) | 0
    h1 = (h1 + b) | 0
    h2 = (h2 + c) | 0
    h3 = (h3 + d) | 0
    h4 = (h4 + e) | 0
    h5 = (h5 + f) | 0
    h6 = (h6 + g) | 0
    h7 = (h7 + h) | 0
  }
  words.set([h0, h1, h2, h3, h4, h5, h6, h7])
}
