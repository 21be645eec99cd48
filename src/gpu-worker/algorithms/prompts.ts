import { GavelError } from '../../core/errors.ts'
import type { Row } from '../engines/batch.ts'
import type { TextCodec } from '../text/text-codec.ts'
import type { NumberedRow } from './run-context.ts'

export interface Prompt {
  ids: number[]
  /** The text as the model sees it. */
  text: string
  /** What a judge is told was asked: the row's own prompt, without template. */
  question: string
  answer: string | undefined
}

export interface PromptOptions {
  codec: TextCodec
  template: string
  maxTokens: number
  role: string
}

/**
 * A row's prompt as token ids. A `prompt` goes into the job's template as it is; `messages` go through the
 * model's chat template. Throws `prompt_too_long` naming dataset and line.
 */
export function promptOf({ line, row }: NumberedRow, { codec, template, maxTokens, role }: PromptOptions): Prompt {
  // A replacement function, since a replacement string would give `$&` and the like a meaning.
  const text =
    row.prompt === undefined ? codec.renderChat(row.messages!) : template.replace('{prompt}', () => row.prompt!)
  const ids = codec.encode(text)
  if (ids.length > maxTokens) {
    throw new GavelError(
      'prompt_too_long',
      `${role}, line ${line}: the prompt has ${ids.length} tokens, more than the ${maxTokens} allowed; shorten it, or raise max_prompt_tokens`,
      { param: role },
    )
  }
  const question = row.prompt ?? row.messages!.findLast((m) => m.role === 'user')?.content ?? ''
  return { ids, text, question, answer: row.answer ?? undefined }
}

/** A row of supervised training: prompt, completion and the token that ends it. Only the latter two are trained. */
export function supervisedRow(numbered: NumberedRow, options: PromptOptions): Row {
  const { codec, maxTokens, role } = options
  const prompt = promptOf(numbered, { ...options, maxTokens: Infinity })
  const start = Math.max(1, prompt.ids.length)
  const ids = [...prompt.ids, ...codec.encode(numbered.row.completion ?? ''), codec.endId]
  if (ids.length > maxTokens) {
    throw new GavelError(
      'prompt_too_long',
      `${role}, line ${numbered.line}: prompt and completion have ${ids.length} tokens, more than the ${maxTokens} allowed; shorten the row, or raise max_tokens`,
      { param: role },
    )
  }
  return { ids, start }
}
