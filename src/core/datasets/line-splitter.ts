import { GavelError } from '../errors.ts'
import { MAX_LINE_BYTES } from '../schemas/dataset.ts'

const NEWLINE = 10

/** Cuts bytes into lines as they come, and holds no more than the line that is not yet whole. Empty lines only count. */
export class LineSplitter {
  /** The beginning of the line that is not yet whole, and how long it is. */
  #held = new Uint8Array(1024)
  #length = 0
  /** Bytes before this chunk, and before the line that is given. */
  #passed = 0
  #start = 0
  #line: number

  /** @param line number of the first line */
  constructor(line = 1) {
    this.#line = line
  }

  /** Number of the line that is given, or that comes next. */
  get line(): number {
    return this.#line
  }

  /** Where the line that is given begins, in bytes from the first that was pushed. */
  get start(): number {
    return this.#start
  }

  /**
   * The lines that end in this chunk, without their newlines. Each is valid until the next one.
   * @throws GavelError `too_large` for a line longer than {@link MAX_LINE_BYTES}
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = this.#skipEmpty(chunk, 0)
    for (let end = chunk.indexOf(NEWLINE, start); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const piece = chunk.subarray(start, end)
      this.#refuseLonger(piece)
      if (this.#length === 0) yield piece
      else {
        this.#hold(piece)
        yield this.#take()
      }
      this.#line++
      start = this.#skipEmpty(chunk, end + 1)
    }
    this.#hold(chunk.subarray(start))
    this.#passed += chunk.length
  }

  /** The last line, where it does not end with a newline. */
  *end(): Generator<Uint8Array> {
    if (this.#length > 0) yield this.#take()
  }

  /** Where the next line begins, of which nothing is held yet. */
  #skipEmpty(chunk: Uint8Array, from: number): number {
    if (this.#length > 0) return from
    let start = from
    while (chunk[start] === NEWLINE) start++
    this.#line += start - from
    this.#start = this.#passed + start
    return start
  }

  #take(): Uint8Array {
    const line = this.#held.subarray(0, this.#length)
    this.#length = 0
    return line
  }

  #hold(piece: Uint8Array): void {
    this.#refuseLonger(piece)
    const length = this.#length + piece.length
    if (length > this.#held.length) {
      // Twice as much each time, so that a line that comes byte by byte is not copied for every one.
      const larger = new Uint8Array(2 * length)
      larger.set(this.#held.subarray(0, this.#length))
      this.#held = larger
    }
    this.#held.set(piece, this.#length)
    this.#length = length
  }

  #refuseLonger(piece: Uint8Array): void {
    if (this.#length + piece.length <= MAX_LINE_BYTES) return
    const message = `Line ${this.#line} is longer than ${MAX_LINE_BYTES} bytes; shorten it.`
    throw new GavelError('too_large', message, { param: `line ${this.#line}` })
  }
}
