const INCOMPLETE = '\ufffd'

/**
 * The text of tokens as they come, ready to be shown: characters that are not whole yet are held back, and so is
 * what may be the beginning of a stop text.
 */
export class TextStream {
  private readonly decode: (ids: readonly number[]) => string
  private readonly stops: readonly string[]
  /** Tokens from the last whole character on, and how many of them have been shown. */
  private recent: number[]
  private shown: number
  private held = ''

  /** @param context ids before the first, which its text may depend on */
  constructor(decode: (ids: readonly number[]) => string, stops: readonly string[], context: readonly number[] = []) {
    this.recent = [...context]
    this.shown = context.length
    this.decode = decode
    this.stops = stops
  }

  /** The text to show next, and whether a stop text was met; of the stop text and what follows, nothing is shown. */
  push(id: number): { text: string; stopped: boolean } {
    this.recent.push(id)
    const whole = this.decode(this.recent)
    if (whole.endsWith(INCOMPLETE)) return { text: '', stopped: false }
    this.held += whole.slice(this.decode(this.recent.slice(0, this.shown)).length)
    // The newest tokens stay as context: some tokenizers write a token differently at the start of a text.
    this.recent = this.recent.slice(this.shown)
    this.shown = this.recent.length
    return this.release()
  }

  /** What is left at the end, incomplete characters included. */
  end(): string {
    const rest = this.decode(this.recent).slice(this.decode(this.recent.slice(0, this.shown)).length)
    return this.held + rest
  }

  private release(): { text: string; stopped: boolean } {
    const found = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0)
    if (found.length) return { text: this.held.slice(0, Math.min(...found)), stopped: true }
    const keep = Math.max(0, ...this.stops.map((stop) => overlap(this.held, stop)))
    const text = this.held.slice(0, this.held.length - keep)
    this.held = this.held.slice(this.held.length - keep)
    return { text, stopped: false }
  }
}

/** Length of the longest end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length
  return 0
}
