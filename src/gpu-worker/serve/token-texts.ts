import type { TokenBytes } from '../text/token-bytes.ts'
import type { NamedLogprob, TokenInfo } from './generation.ts'
import { decodeUtf8, TextStream, type TextPiece } from './text-stream.ts'
import type { TokenLogprob, TokenLogprobs } from './token-logprobs.ts'

const NOTHING = new Uint8Array()

/** The texts of a model's tokens, in a text and by themselves. */
export class TokenTexts {
  private readonly bytes: TokenBytes

  constructor(bytes: TokenBytes) {
    this.bytes = bytes
  }

  /** The bytes that a token adds to an answer. */
  added(id: number, { skipSpecialTokens, first }: { skipSpecialTokens: boolean; first: boolean }): Uint8Array {
    if (skipSpecialTokens && this.bytes.isSpecial(id)) return NOTHING
    return first ? this.bytes.first(id) : this.bytes.of(id)
  }

  /** Whether an answer to the prompt begins a text: there is nothing before it but signs for the model. */
  isBlank(prompt: readonly number[]): boolean {
    return prompt.every((id) => this.bytes.isSpecial(id))
  }

  /** A token by itself, as lists of alternatives have it: two of different bytes never have one name. */
  named({ id, logprob }: TokenLogprob): NamedLogprob {
    const bytes = this.bytes.of(id)
    const { text, tail } = decodeUtf8(bytes)
    const isText = tail.length === 0 && Buffer.from(text).equals(bytes)
    return { id, logprob, token: isText ? text : spelled(bytes), bytes: [...bytes] }
  }

  /** A token of an answer, beside its alternatives; among them it has the text that it has in the answer. */
  told({ text, bytes }: TextPiece, id: number, logprobs: TokenLogprobs | null): TokenInfo {
    const own = { bytes: [...bytes] }
    const top = (logprobs?.top ?? []).map((other) =>
      other.id === id ? { ...other, token: text, ...own } : this.named(other),
    )
    return { id, text, ...own, logprob: logprobs?.logprob ?? null, top }
  }

  /**
   * A prompt token by token, special tokens by their names.
   * @param text the prompt as it was sent: what the tokenizer put before it is not shown. Null for ids.
   */
  prompt(ids: readonly number[], text: string | null): TextPiece[] {
    const put = text === null ? 0 : ids.findIndex((id) => !this.bytes.isSpecial(id) || this.begins(text, id))
    const hidden = Array<Uint8Array>(Math.max(0, put)).fill(NOTHING)
    const [first, ...rest] = ids.slice(hidden.length).map((id) => this.bytes.of(id))
    const whole = pieces([...hidden, first ?? NOTHING, ...rest])
    if (whole.map((piece) => piece.text).join('') === text) return whole
    // A space that only stands for the beginning.
    return pieces([...hidden, this.bytes.first(ids[hidden.length]!), ...rest])
  }

  private begins(text: string, id: number): boolean {
    const bytes = this.bytes.of(id)
    return Buffer.from(text.slice(0, bytes.length)).subarray(0, bytes.length).equals(bytes)
  }
}

function pieces(tokens: readonly Uint8Array[]): TextPiece[] {
  const stream = new TextStream()
  return [...tokens.flatMap((bytes) => stream.push(bytes).pieces), ...stream.end()]
}

/** As OpenAI spells tokens that are no text. */
const spelled = (bytes: Uint8Array) =>
  `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
