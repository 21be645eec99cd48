import { GavelError } from '../../core/errors.ts'
import { completionOf, type DatasetRow } from '../../core/schemas/dataset.ts'
import type { PromptFormat } from '../../core/schemas/training.ts'
import type { ChatMessage } from './chat-template.ts'
import { apart, fixedTemplate, type FixedArguments } from './fixed-template.ts'
import { promptChatTemplate } from './prompt-template.ts'
import { idsOf, templateOf } from './special-tokens.ts'
import type { TextCodec } from './text-codec.ts'

/** What a job says of how its rows become text. */
export interface RowFormat {
  prompt_template?: string | undefined
  prompt_format?: PromptFormat | undefined
  chat_template_kwargs?: FixedArguments | undefined
}

/** A row of supervised training as ids. */
export interface TrainedIds {
  ids: number[]
  /** The first id that is trained; at least 1, since the first of a text has nothing to be predicted from. */
  start: number
  /** Whether the tokenizer joins the end of the prompt with the completion's beginning, as no answer to the prompt can. */
  joined: boolean
}

type Row = Pick<DatasetRow, 'prompt' | 'messages' | 'completion'>

/** In `tokenizer_config.json`: what rows with `prompt` were taken for in training, where a model's template says otherwise. */
const FORMAT_KEY = 'gavel_prompt_format'

/** How the rows of a job become ids, and which of them are trained. */
export class RowCodec {
  /** The model's, with the job's template in it: what a checkpoint carries. */
  readonly codec: TextCodec
  /** What a row with `prompt` is taken for: one turn of a user, or a text that stands for itself. */
  readonly format: PromptFormat

  /** Throws `invalid_request` where chat is wanted of a model without a template, `corrupt_model` as `codec.endId`. */
  constructor(model: TextCodec, job: RowFormat) {
    const { prompt_template: promptTemplate, prompt_format: wanted, chat_template_kwargs: args } = job
    const templated = withTemplate(model, promptTemplate, args)
    const needs = args ? '`chat_template_kwargs` are given' : wanted === 'chat' ? '`prompt_format` is "chat"' : null
    if (needs && !templated.hasChatTemplate) {
      const message = `${needs}, but the model has no chat template; give a prompt_template, or leave that out`
      throw new GavelError('invalid_request', message, { param: args ? 'chat_template_kwargs' : 'prompt_format' })
    }
    // A prompt_template is the job's own way to ask, whatever the model's is.
    this.format = promptTemplate === undefined ? (wanted ?? formatOf(templated)) : 'chat'
    this.codec = stopping(remembering(templated, this.format === 'raw'))
  }

  /** What the model is to go on from. An answer at the end of a conversation is not shown. Throws as `encode` and `renderChat`. */
  prompt(row: Row): { text: string; ids: number[] } {
    const { asked } = this.parts(row)
    if (typeof asked === 'string') return { text: asked, ids: this.codec.encodeText(asked) }
    return { text: this.codec.renderChat(asked), ids: this.codec.encodeChat(asked) }
  }

  /**
   * The ids of the whole text, trained from where the prompt's end: the completion, or the last turn of a conversation
   * that ends with an answer, and what ends it. Where the text holds nothing that ends it, the end token follows.
   */
  supervised(row: Row): TrainedIds {
    const { asked, completion } = this.parts(row)
    const prompt = this.prompt(row)
    const ids = this.whole(asked, prompt, completion)
    const same = ids.findIndex((id, i) => id !== prompt.ids[i])
    const start = same < 0 ? ids.length : same
    const joined = start < prompt.ids.length
    return { ids: this.isEnded(ids.slice(start)) ? ids : [...ids, this.codec.endId], start: Math.max(1, start), joined }
  }

  /** The ids of prompt and completion together, as the model's template or the text itself joins them. */
  private whole(asked: string | ChatMessage[], prompt: { text: string; ids: number[] }, completion: string): number[] {
    const { codec } = this
    if (typeof asked === 'string' || !codec.hasChatTemplate) return codec.encodeText(prompt.text + completion)
    const text = codec.renderChat([...asked, { role: 'assistant', content: completion }], {
      addGenerationPrompt: false,
    })
    if (text.startsWith(prompt.text)) return codec.encode(text)
    // Some templates ask with other words than they show an answer with. What counts is what will be asked.
    const at = completion === '' ? -1 : text.lastIndexOf(completion)
    return [...prompt.ids, ...codec.encode(at < 0 ? completion : text.slice(at))]
  }

  /** Whether something that ends a text comes last, but for blanks. */
  private isEnded(ids: readonly number[]): boolean {
    const { codec } = this
    const stops = new Set(codec.stopIds)
    const last = ids.findLastIndex((id) => stops.has(id))
    return last >= 0 && codec.decode(ids.slice(last + 1)).trim() === ''
  }

  private parts({ prompt, messages, completion }: Row): { asked: string | ChatMessage[]; completion: string } {
    if (prompt !== undefined) {
      const asked = this.format === 'raw' ? prompt : [{ role: 'user' as const, content: prompt }]
      return { asked, completion: completion ?? '' }
    }
    const answered = messages!.at(-1)!.role === 'assistant'
    if (answered && completion != null) {
      const message = '`messages` end with an answer, and there is a `completion` too; keep one of them'
      throw new GavelError('invalid_request', message)
    }
    return {
      asked: answered ? messages!.slice(0, -1) : messages!,
      completion: completionOf({ messages, completion }) ?? '',
    }
  }
}

/** What a row with `prompt` is taken for, unless a job says otherwise. */
export function formatOf(codec: TextCodec): PromptFormat {
  if (codec.files.config[FORMAT_KEY] === 'raw') return 'raw'
  return codec.hasChatTemplate ? 'chat' : 'raw'
}

/** The codec with the template that a job trains with: all of what the job says is in it. */
function withTemplate(
  codec: TextCodec,
  promptTemplate: string | undefined,
  args: FixedArguments | undefined,
): TextCodec {
  const { config } = codec.files
  const own = templateOf(codec.files)
  const source = promptTemplate === undefined ? own : prompted(codec, own, promptTemplate)
  const fixed = source === null ? null : fixedTemplate(source, args)
  return fixed === own ? codec : codec.with({ config: { ...config, chat_template: fixed } })
}

function prompted(codec: TextCodec, own: string | null, promptTemplate: string): string {
  const { fixed, body } = own === null ? { fixed: '', body: null } : apart(own)
  const parts = { prefix: codec.prefixText, end: codec.tokenText(codec.endId) }
  return fixed + promptChatTemplate({ promptTemplate, own: body, ...parts })
}

/** The codec as a checkpoint carries it on: with what its raw rows were taken for, where that would not be known. */
function remembering(codec: TextCodec, raw: boolean): TextCodec {
  const { [FORMAT_KEY]: before, ...config } = codec.files.config
  if (raw && codec.hasChatTemplate)
    return before === 'raw' ? codec : codec.with({ config: { ...config, [FORMAT_KEY]: 'raw' } })
  return before === undefined ? codec : codec.with({ config })
}

/** The codec with all that ends its texts in `generation_config.json`, which is where others look. */
function stopping(codec: TextCodec): TextCodec {
  const { stopIds, modelConfig, files } = codec
  const { generation } = files
  const named = idsOf((generation ?? modelConfig).eos_token_id)
  if (stopIds.every((id) => named.includes(id))) return codec
  const { bos_token_id = null, pad_token_id = null } = modelConfig
  return codec.with({ generation: { ...(generation ?? { bos_token_id, pad_token_id }), eos_token_id: stopIds } })
}
