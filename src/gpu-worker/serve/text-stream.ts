/** A token and what it adds to the text: the texts of all tokens, one after the other, are the text. */
export interface TextPiece {
  /** Of a character that is spread over several tokens, the last of them has it all, and those before have nothing. */
  text: string
  /** The token's own bytes in the text. */
  bytes: Uint8Array
}

export interface TextStreamOptions {
  stops?: readonly string[]
  /** Shows the stop text that was met, too. */
  includeStop?: boolean
}

export interface Pushed {
  /** What can be shown now: whole tokens, whose texts end with a whole character. */
  pieces: TextPiece[]
  /** The stop text that was met; nothing follows. */
  stop: string | null
}

const REPLACEMENT = '\ufffd'
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * The text of tokens as they come, ready to be shown. Held back are characters that are not whole yet, three bytes at
 * most, and tokens from which on the text may turn out to be a stop text.
 */
export class TextStream {
  private readonly stops: readonly string[]
  private readonly includeStop: boolean
  /** Tokens that are not shown yet; the first of them begins with a whole character. */
  private held: TextPiece[] = []
  /** Bytes of the last held tokens that are in no text yet: the beginning of a character. */
  private tail: Uint8Array = new Uint8Array()

  constructor({ stops = [], includeStop = false }: TextStreamOptions = {}) {
    this.stops = stops
    this.includeStop = includeStop
  }

  /** @param mayStop whether a stop text may end with this token */
  push(bytes: Uint8Array, { mayStop = true } = {}): Pushed {
    if (bytes.length > 0 && !continues(this.tail, bytes[0]!)) this.giveUpTail()
    const { text, tail } = decodeUtf8(joined([this.tail, bytes]))
    this.tail = tail
    this.held.push({ text, bytes })
    const held = mayStop ? this.held.map((piece) => piece.text).join('') : ''
    const found = firstStop(held, this.stops)
    if (found) return { pieces: this.cut(found.at + (this.includeStop ? found.stop.length : 0)), stop: found.stop }
    const possible = Math.max(0, ...this.stops.map((stop) => overlap(held, stop)))
    const certain = possible > 0 ? wholePieces(this.held, held.length - possible) : this.held.length
    return { pieces: this.held.splice(0, Math.min(certain, this.finished())), stop: null }
  }

  /** What is left at the end; a character that never became whole is shown as U+FFFD. */
  end(): TextPiece[] {
    this.giveUpTail()
    return this.held.splice(0)
  }

  /** The beginning of a character turns out to be none; the token that it ends with shows it. */
  private giveUpTail(): void {
    if (this.tail.length > 0) this.held.at(-1)!.text += REPLACEMENT
    this.tail = new Uint8Array()
  }

  /** How many held tokens have no byte in the tail. */
  private finished(): number {
    let [count, bytes] = [this.held.length, this.tail.length]
    while (bytes > 0) bytes -= this.held[--count]!.bytes.length
    return count
  }

  /** All held tokens, with no more of their texts and bytes than make the first `length` code units. */
  private cut(length: number): TextPiece[] {
    let text = length
    let bytes = bytesBefore(joined(this.held.map((piece) => piece.bytes)), length)
    this.tail = new Uint8Array()
    return this.held.splice(0).map((piece) => {
      const kept = { text: piece.text.slice(0, text), bytes: piece.bytes.subarray(0, bytes) }
      text -= kept.text.length
      bytes -= kept.bytes.length
      return kept
    })
  }
}

/** Whether the beginning of a character may go on with a byte. */
function continues(tail: Uint8Array, byte: number): boolean {
  const { text, tail: longer } = decodeUtf8(Uint8Array.of(...tail, byte))
  return longer.length === tail.length + 1 || (longer.length === 0 && characters(text) === 1)
}

/** In Unicode's characters: what Python's `len` counts. */
export const characters = (text: string): number => Array.from(text).length

/** Fewest bytes whose text is that long. */
function bytesBefore(bytes: Uint8Array, length: number): number {
  let [low, high] = [0, bytes.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (decodeUtf8(bytes.subarray(0, middle)).text.length < length) low = middle + 1
    else high = middle
  }
  return low
}

/** How many pieces from the first on lie wholly within the first `length` code units, which are not all. */
function wholePieces(pieces: readonly TextPiece[], length: number): number {
  let end = 0
  const count = pieces.findIndex(({ text }) => (end += text.length) > length)
  // Not in the middle of a character: tokens before that have no text belong to it.
  return pieces.slice(0, count).findLastIndex(({ text }) => text !== '') + 1
}

/** The stop text that is met first, of several at one place the longest. */
function firstStop(text: string, stops: readonly string[]): { at: number; stop: string } | null {
  const found = stops.map((stop) => ({ at: text.indexOf(stop), stop })).filter(({ at }) => at >= 0)
  found.sort((a, b) => a.at - b.at || b.stop.length - a.stop.length)
  return found[0] ?? null
}

/** Length of the longest end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length
  return 0
}

/** The beginning of a character at the end of bytes, each taken for a code unit: Unicode's table of well-formed UTF-8. */
const BEGINNING =
  /(?:[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]|\xf0[\x90-\xbf][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?)$/

/** The text of bytes, and what at their end may become a character yet. */
export function decodeUtf8(bytes: Uint8Array): { text: string; tail: Uint8Array } {
  const end = String.fromCharCode(...bytes.subarray(-3))
  const tail = BEGINNING.exec(end)?.[0].length ?? 0
  const whole = bytes.length - tail
  return { text: decoder.decode(bytes.subarray(0, whole)), tail: bytes.subarray(whole) }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
