import type { Tokenizer } from '@huggingface/tokenizers'
import { GavelError } from '../../core/errors.ts'
import { ChatTemplate, type ChatMessage, type RenderOptions } from './chat-template.ts'
import type { TokenizerFiles } from './read-tokenizer-files.ts'
import { checkedTokenizer } from './checked-tokenizer.ts'
import { idsOf, specialTexts, templateOf } from './special-tokens.ts'

export type { ChatMessage } from './chat-template.ts'
export type { TokenizerFiles } from './read-tokenizer-files.ts'

/** What a model says of its tokens beside its tokenizer. */
export interface ModelTokens {
  /** Its `config.json`. */
  config?: Record<string, unknown>
  /** Ids from here on have no embedding. */
  vocabularySize?: number
}

/**
 * Text to token ids and back, and conversations to text, as one model has them: the place that knows which ids begin a
 * text, which end it, and what a conversation looks like.
 */
export class TextCodec {
  readonly files: TokenizerFiles
  private readonly model: ModelTokens
  private readonly tokenizer: Tokenizer
  private readonly special: Record<string, string>
  private readonly vocabulary: Map<string, number>
  private readonly limit: number
  /** What the tokenizer itself puts before a text. */
  private readonly prefix: number[]
  private readonly template: ChatTemplate | null
  /** Ids that are no text. */
  private readonly specialIds: ReadonlySet<number>
  private turnEnd: number | null | undefined

  /** Throws what is wrong with the files. A chat template is looked at when it is first used. */
  constructor(files: TokenizerFiles, model: ModelTokens = {}, tokenizer?: Tokenizer) {
    this.files = files
    this.model = model
    this.special = specialTexts(files)
    this.tokenizer = tokenizer ?? checkedTokenizer(files, this.special)
    this.vocabulary = new Map([...this.tokenizer.get_vocab()].filter(([token]) => token !== undefined))
    this.limit = model.vocabularySize ?? Infinity
    this.prefix = this.ownPrefix()
    const added = [...this.tokenizer.get_added_tokens_decoder().values()]
    this.specialIds = new Set([...added.flatMap(({ id, special }) => (special ? [id] : [])), ...this.endIds])
    const template = templateOf(files)
    this.template = template === null ? null : new ChatTemplate(template, this.special)
  }

  /** Ids of a text as it stands: nothing is put before or after it. Throws `invalid_request` for one the model lacks. */
  encode(text: string): number[] {
    if (text === '') return []
    const ids = this.tokenizer.encode(text, { add_special_tokens: false }).ids as number[]
    const beyond = ids.find((id) => id >= this.limit)
    if (beyond === undefined) return ids.filter((id) => id !== undefined)
    throw new GavelError(
      'invalid_request',
      `the text has token ${JSON.stringify(this.tokenText(beyond))} (id ${beyond}), for which the model has no embedding: it knows ids 0 to ${this.limit - 1}. Leave it out.`,
    )
  }

  /**
   * Ids of a text that stands for itself, no conversation: with what the tokenizer puts before a text (BOS, for most
   * that have one), unless it is there. Never with what it puts behind, since texts are gone on with.
   */
  encodeText(text: string): number[] {
    const ids = this.encode(text)
    return ids[0] === this.prefix[0] ? ids : [...this.prefix, ...ids]
  }

  /** Ids of a conversation: see {@link renderChat}. */
  encodeChat(messages: readonly ChatMessage[], options: RenderOptions = {}): number[] {
    const text = this.renderChat(messages, options)
    return this.template ? this.encode(text) : this.encodeText(text)
  }

  /** The text of some ids, without special tokens. */
  decode(ids: readonly number[]): string {
    const shown = ids.filter((id) => !this.specialIds.has(id))
    return shown.length === 0 ? '' : this.tokenizer.decode(shown, { skip_special_tokens: false })
  }

  /**
   * The text of an answer as it goes on from a prompt: some tokenizers write a token differently where a text begins,
   * and would lose the answer's first space.
   */
  decodeAnswer(prompt: readonly number[], ids: readonly number[]): string {
    const before = this.contextOf(prompt)
    const [start, whole] = [this.decode(before), this.decode([...before, ...ids])]
    return whole.startsWith(start) ? whole.slice(start.length) : this.decode(ids)
  }

  /** The prompt's last ids that decoding what follows depends on: the last one that is no special token. */
  contextOf(prompt: readonly number[]): number[] {
    const last = prompt.findLast((id) => !this.specialIds.has(id))
    return last === undefined ? [] : [last]
  }

  /** The text of one token as a client of an API should see it, special tokens included. */
  tokenText(id: number): string {
    return this.tokenizer.decode([id], { skip_special_tokens: false })
  }

  /** The id of a token by its exact text, or undefined where there is none that the model knows. */
  idOf(token: string): number | undefined {
    const id = this.vocabulary.get(token)
    return id !== undefined && id < this.limit ? id : undefined
  }

  get size(): number {
    return this.vocabulary.size
  }

  /** The largest id that a text can be encoded to. */
  get largestId(): number {
    const largest = [...this.vocabulary.values()].reduce((a, b) => Math.max(a, b), -1)
    return Math.min(largest, this.limit - 1)
  }

  get hasChatTemplate(): boolean {
    return this.template !== null
  }

  /**
   * A conversation as the model was trained to see it, up to where the assistant is to answer. A model
   * without a chat template gets the contents one after the other. Throws as {@link ChatTemplate.render}.
   */
  renderChat(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    return this.template ? this.template.render(messages, options) : messages.map((m) => m.content).join('\n')
  }

  /**
   * Ids that end a text: those that the tokenizer, `config.json`, `generation_config.json` or the GGUF header name, and
   * the token that the chat template ends an answer with.
   */
  get stopIds(): number[] {
    this.turnEnd ??= this.findTurnEnd()
    return [...new Set([...this.endIds, ...(this.turnEnd === null ? [] : [this.turnEnd])])]
  }

  /** The id put after a finished text in training. Throws `corrupt_model` where none is named. */
  get endId(): number {
    const [id] = this.endIds
    if (id !== undefined) return id
    throw new GavelError(
      'corrupt_model',
      'it names no token that ends a text: eos_token of tokenizer_config.json is missing, or not in the vocabulary, and neither config.json nor generation_config.json has an eos_token_id',
    )
  }

  /** This codec with other files of the same tokenizer: its template or settings changed. */
  with(change: Partial<Omit<TokenizerFiles, 'tokenizer'>>): TextCodec {
    return new TextCodec({ ...this.files, ...change }, this.model, this.tokenizer)
  }

  /** Its model's `config.json`. */
  get modelConfig(): Readonly<Record<string, unknown>> {
    return this.model.config ?? {}
  }

  /** The text that {@link encodeText} begins with. */
  get prefixText(): string {
    return this.prefix.map((id) => this.tokenText(id)).join('')
  }

  /**
   * Ids that go before a text, as the post-processor of `tokenizer.json` has it. Like transformers 5, this takes no notice
   * of `add_bos_token` in the config.
   */
  private ownPrefix(): number[] {
    const text = '\u0000text'
    const { tokens } = this.tokenizer.post_processor?.([text], null, true) ?? { tokens: [text] }
    return tokens.slice(0, tokens.indexOf(text)).flatMap((token: string) => this.vocabulary.get(token) ?? [])
  }

  private get endIds(): number[] {
    const named = this.special.eos_token === undefined ? [] : [this.idOf(this.special.eos_token)]
    const ids = [...named, ...idsOf(this.modelConfig.eos_token_id), ...idsOf(this.files.generation?.eos_token_id)]
    return [...new Set(ids)].filter((id): id is number => id !== undefined && id >= 0 && id < this.limit)
  }

  /** The special token that comes first after an answer in the chat template's own rendering. */
  private findTurnEnd(): number | null {
    if (!this.template) return null
    const mark = 'unmistakable'
    const asked: ChatMessage = { role: 'user', content: 'x' }
    try {
      const text = this.template.render([asked, { role: 'assistant', content: mark }], { addGenerationPrompt: false })
      const after = this.encode(text.slice(text.lastIndexOf(mark) + mark.length).trimStart())
      return text.includes(mark) && this.specialIds.has(after[0]!) ? after[0]! : null
    } catch {
      return null
    }
  }
}
