import { GavelError } from '../../core/errors.ts'
import type { TokenizerFiles } from './text-codec.ts'

/** One step of a decoder over one token: a text stays a text until its bytes are known. */
type Step = (text: string, added: boolean) => string | Uint8Array

interface DecoderConfig {
  type: string
  decoders?: DecoderConfig[]
  pattern?: { String?: string; Regex?: string }
  content?: string
  start?: number
  stop?: number
  replacement?: string
  prepend_scheme?: string
  prefix?: string
  cleanup?: boolean
  suffix?: string
}

/** What a decoder does to a token in the middle of a text, and to the beginning of a whole text. */
interface Decoder {
  steps: Step[]
  /** Takes away at most so many of that character where a text begins. */
  strip: { content: string; count: number }
}

const utf8 = new TextEncoder()

/**
 * The bytes that each token adds to a text, so that the bytes of tokens one after the other are those of the text, also
 * where a character is spread over several. It follows `decoder` of tokenizer.json, as the library `tokenizers` runs it.
 */
export class TokenBytes {
  private readonly decoder: Decoder
  private readonly tokens: ReadonlyMap<number, { content: string; added: boolean }>
  private readonly special: ReadonlySet<number>
  private readonly known = new Map<number, Uint8Array>()

  /** Throws `unsupported_model` for a decoder whose text of a token depends on the tokens around it. */
  constructor({ tokenizer }: Pick<TokenizerFiles, 'tokenizer'>) {
    const { decoder, model, added_tokens } = tokenizer as {
      decoder?: DecoderConfig | null
      model: { vocab: Record<string, number> | [string, number][] }
      added_tokens?: { id: number; content: string; special: boolean }[]
    }
    this.decoder = read(decoder ?? { type: 'none' })
    const { vocab } = model
    const plain = Array.isArray(vocab)
      ? vocab.map(([content], id) => [id, content] as const)
      : Object.entries(vocab).map(([content, id]) => [id, content] as const)
    const added = added_tokens ?? []
    this.tokens = new Map<number, { content: string; added: boolean }>([
      ...plain.map(([id, content]) => [id, { content, added: false }] as const),
      ...added.map(({ id, content }) => [id, { content, added: true }] as const),
    ])
    this.special = new Set(added.filter(({ special }) => special).map(({ id }) => id))
  }

  /** The bytes of a token that stands after others, special tokens by their name; none for an id without a token. */
  of(id: number): Uint8Array {
    const known = this.known.get(id)
    if (known) return known
    const token = this.tokens.get(id)
    let value: string | Uint8Array = token?.content ?? ''
    if (token) for (const step of this.decoder.steps) if (typeof value === 'string') value = step(value, token.added)
    const bytes = typeof value === 'string' ? utf8.encode(value) : value
    this.known.set(id, bytes)
    return bytes
  }

  /** Whether a token is a sign for the model, which texts leave out: `<eos>`, `<|im_start|>`, … */
  isSpecial(id: number): boolean {
    return this.special.has(id)
  }

  /** The bytes of a token as a whole text begins with it: a space that stands for the beginning is left out. */
  first(id: number): Uint8Array {
    const { content, count } = this.decoder.strip
    const bytes = this.of(id)
    const mark = utf8.encode(content)
    let start = 0
    for (let i = 0; i < count && mark.length && mark.every((byte, k) => bytes[start + k] === byte); i++)
      start += mark.length
    return bytes.subarray(start)
  }
}

const NO_STRIP = { content: '', count: 0 }
const SPACE = { content: ' ', count: 1 }

/** Per type, what it does; see decoders of the library `tokenizers`. */
const DECODERS: Readonly<Record<string, (config: DecoderConfig) => Decoder>> = {
  none: () => ({ steps: [(text) => ` ${text}`], strip: SPACE }),
  ByteLevel: () => ({ steps: [byteLevel], strip: NO_STRIP }),
  ByteFallback: () => ({ steps: [byteFallback], strip: NO_STRIP }),
  Fuse: () => ({ steps: [], strip: NO_STRIP }),
  Replace: ({ pattern, content = '' }) => {
    const { String: text, Regex: regex } = pattern ?? {}
    const from = text ?? new RegExp(regex ?? '(?!)', 'gu')
    return { steps: [(token) => token.replaceAll(from, () => content)], strip: NO_STRIP }
  },
  Metaspace: ({ replacement = '▁', prepend_scheme = 'always' }) => ({
    steps: [(token) => token.replaceAll(replacement, ' ')],
    strip: prepend_scheme === 'never' ? NO_STRIP : SPACE,
  }),
  WordPiece: ({ prefix = '##', cleanup = true }) => ({
    steps: [
      (token) => {
        const text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`
        return cleanup ? cleanUp(text) : text
      },
    ],
    strip: SPACE,
  }),
  BPEDecoder: ({ suffix = '</w>' }) => ({ steps: [(token) => token.replaceAll(suffix, ' ')], strip: NO_STRIP }),
}

function read(config: DecoderConfig): Decoder {
  if (config.type === 'Sequence') return sequence(config.decoders ?? [])
  const make = Object.hasOwn(DECODERS, config.type) ? DECODERS[config.type] : undefined
  if (make) return make(config)
  throw unsupported(config.type)
}

/** Once fused, the tokens are one text: what strips then, strips that text's beginning. */
function sequence(configs: readonly DecoderConfig[]): Decoder {
  const steps: Step[] = []
  let strip = NO_STRIP
  let fused = false
  for (const config of configs) {
    const { type, content = '', start = 0, stop = 0 } = config
    if (type === 'Fuse') fused = true
    else if (type === 'Strip' && !fused) steps.push((token) => stripped(token, content, start, stop))
    else if (type === 'Strip' && stop === 0) strip = { content, count: start }
    else if (fused) throw unsupported(`${type} after Fuse`)
    else {
      const part = read(config)
      steps.push(...part.steps)
      if (part.strip.count) ({ strip } = part)
    }
  }
  return { steps, strip }
}

const unsupported = (type: string) =>
  new GavelError(
    'unsupported_model',
    `the tokenizer's decoder ${type} is not one whose tokens add up to the text; known are ${Object.keys(DECODERS).join(', ')} and Sequence`,
  )

function stripped(token: string, content: string, start: number, stop: number): string {
  let [from, to] = [0, token.length]
  for (let i = 0; i < start && token.startsWith(content, from) && content; i++) from += content.length
  for (let i = 0; i < stop && token.slice(from, to).endsWith(content) && content; i++) to -= content.length
  return token.slice(from, to)
}

/** `<0xE2>` is that byte: how SentencePiece spells characters that its vocabulary lacks. */
function byteFallback(text: string): string | Uint8Array {
  const [, hex] = /^<0x([0-9A-Fa-f]{2})>$/.exec(text) ?? []
  return hex === undefined ? text : Uint8Array.of(parseInt(hex, 16))
}

/** GPT-2's alphabet: bytes that print as themselves stand for themselves, the others for U+0100 and on. */
const BYTE_OF = new Map<string, number>()
const prints = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
for (let byte = 0, others = 0; byte < 256; byte++)
  BYTE_OF.set(String.fromCharCode(prints(byte) ? byte : 0x100 + others++), byte)

/** Added tokens are texts already; so is what has characters outside the alphabet. */
function byteLevel(text: string, added: boolean): string | Uint8Array {
  const bytes = added ? [undefined] : Array.from(text, (char) => BYTE_OF.get(char))
  return bytes.includes(undefined) ? text : Uint8Array.from(bytes as number[])
}

/** English spacing, as the WordPiece decoder tidies it. */
function cleanUp(text: string): string {
  const rules = [' .', ' ?', ' !', ' ,', " ' ", " n't", " 'm", ' do not', " 's", " 've", " 're"] as const
  const replaced = { " ' ": "'", ' do not': " don't" } as Record<string, string>
  return rules.reduce((text, rule) => text.replaceAll(rule, replaced[rule] ?? rule.slice(1)), text)
}
