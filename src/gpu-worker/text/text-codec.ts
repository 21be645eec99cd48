import { Template } from '@huggingface/jinja'
import { Tokenizer } from '@huggingface/tokenizers'
import { GavelError } from '../../core/errors.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** The two files that make a tokenizer, as parsed JSON: `tokenizer.json` and `tokenizer_config.json`. */
export interface TokenizerFiles {
  tokenizer: object
  config: Record<string, unknown>
}

/** Text to token ids and back, and conversations to text, as one model has them. */
export class TextCodec {
  private readonly tokenizer: Tokenizer
  private readonly config: Record<string, unknown>
  private readonly template: Template | null
  private readonly vocabulary: Map<string, number>

  constructor({ tokenizer, config }: TokenizerFiles) {
    this.config = { ...config, clean_up_tokenization_spaces: false }
    checkModel((tokenizer as { model?: unknown }).model)
    this.tokenizer = new Tokenizer(tokenizer, this.config)
    this.vocabulary = this.tokenizer.get_vocab()
    const template = config.chat_template ?? null
    if (template !== null && typeof template !== 'string') throw new Error('its chat_template is not a text')
    this.template = template === null ? null : new Template(template)
  }

  /** Ids of a text as it stands: nothing is put before or after it. */
  encode(text: string): number[] {
    return text === '' ? [] : this.tokenizer.encode(text, { add_special_tokens: false }).ids
  }

  /** Ids of a text that stands for itself, no conversation: with what the tokenizer puts before a text. */
  encodeText(text: string): number[] {
    return this.encode(text)
  }

  /** The text of some ids, without special tokens. */
  decode(ids: readonly number[]): string {
    return ids.length === 0 ? '' : this.tokenizer.decode([...ids], { skip_special_tokens: true })
  }

  /** The text of one token as a client of an API should see it, special tokens included. */
  tokenText(id: number): string {
    return this.tokenizer.decode([id], { skip_special_tokens: false })
  }

  /** The id of a token by its exact text, or undefined. */
  idOf(token: string): number | undefined {
    return this.vocabulary.get(token)
  }

  get size(): number {
    return this.vocabulary.size
  }

  /** The largest id that a text can be encoded to. */
  get largestId(): number {
    return [...this.vocabulary.values()].reduce((a, b) => Math.max(a, b), -1)
  }

  get hasChatTemplate(): boolean {
    return this.template !== null
  }

  /**
   * A conversation as the model was trained to see it, up to where the assistant is to answer. A model
   * without a chat template gets the contents one after the other.
   */
  renderChat(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, args = {} }: { addGenerationPrompt?: boolean; args?: Record<string, unknown> } = {},
  ): string {
    if (!this.template) return messages.map((m) => m.content).join('\n')
    try {
      return this.template.render({
        enable_thinking: false,
        ...args,
        messages: messages.map((m) => ({ ...m })),
        add_generation_prompt: addGenerationPrompt,
        bos_token: this.specialText('bos_token'),
        eos_token: this.specialText('eos_token'),
      })
    } catch (cause) {
      throw new GavelError(
        'invalid_request',
        `the model's chat template refuses these messages: ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** Ids that end a text: the tokenizer's end token and the end of a chat turn. */
  get stopIds(): number[] {
    const names = [this.specialText('eos_token'), '<|im_end|>', '<|eot_id|>', '<end_of_turn>', '<|endoftext|>']
    const ids = names.flatMap((name) => this.idOf(name) ?? [])
    return [...new Set(ids)]
  }

  /** The id put after a finished completion in training. */
  get endId(): number {
    const id = this.idOf(this.specialText('eos_token'))
    if (id === undefined)
      throw new GavelError(
        'corrupt_model',
        'its tokenizer has no token that ends a text: eos_token of tokenizer_config.json is missing, or not in the vocabulary',
      )
    return id
  }

  private specialText(name: string): string {
    const token = this.config[name]
    if (typeof token === 'string') return token
    return (token as { content?: string } | null | undefined)?.content ?? ''
  }
}

const MODEL_TYPES = ['BPE', 'Unigram', 'WordPiece', 'WordLevel']

/** Refuses what the library would take as it is, and encode texts to ids that mean something else. */
function checkModel(model: unknown): void {
  const { type, vocab } = (model ?? {}) as { type?: unknown; vocab?: unknown }
  if (!MODEL_TYPES.includes(type as string))
    throw new Error(`its type is ${JSON.stringify(type)}; known are ${MODEL_TYPES.join(', ')}`)
  if (typeof vocab !== 'object' || vocab === null) throw new Error('it has no vocabulary')
  if (Array.isArray(vocab)) return
  const tokens = new Map<unknown, string>()
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || id < 0) throw new Error(`the id of ${JSON.stringify(token)} is ${JSON.stringify(id)}`)
    const other = tokens.get(id)
    if (other !== undefined) throw new Error(`${JSON.stringify(other)} and ${JSON.stringify(token)} have one id, ${id}`)
    tokens.set(id, token)
  }
}
