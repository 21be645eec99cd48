import { GavelError } from '../../core/errors.ts'
import type { Verifier } from '../../core/verifiers/verifier.ts'
import type { TextCodec } from '../text/text-codec.ts'
import type { Row } from '../training/batch.ts'
import type { NumberedRow, RunContext } from './run-context.ts'

export interface Prompt {
  ids: number[]
  /** The dataset's role in the job, and the line in its file. */
  role: string
  line: number
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
  /** What answers are to be compared by; a gold answer that it cannot compare is an error. */
  verifier?: Verifier | undefined
}

/**
 * A row's prompt as token ids. A `prompt` goes into the job's template as it is; `messages` go through the
 * model's chat template. Throws naming dataset and line: `prompt_too_long`, and `bad_dataset_line` for an empty prompt,
 * messages that the chat template refuses and gold that the verifier cannot compare.
 */
export function promptOf(
  { line, row }: NumberedRow,
  { codec, template, maxTokens, role, verifier }: PromptOptions,
): Prompt {
  const at = <T>(work: () => T): T => naming(`${role}, line ${line}`, role, work)
  // A replacement function, since a replacement string would give `$&` and the like a meaning.
  const text =
    row.prompt === undefined
      ? at(() => codec.renderChat(row.messages!))
      : template.replace('{prompt}', () => row.prompt!)
  const ids = codec.encode(text)
  if (ids.length === 0) {
    throw new GavelError('bad_dataset_line', `${role}, line ${line}: the prompt is empty; give it some text`, {
      param: role,
    })
  }
  if (ids.length > maxTokens) {
    throw new GavelError(
      'prompt_too_long',
      `${role}, line ${line}: the prompt has ${ids.length} tokens, more than the ${maxTokens} allowed; shorten it, or raise max_prompt_tokens`,
      { param: role },
    )
  }
  const { answer } = row
  if (verifier && answer != null) at(() => verifier.checkGold(answer))
  return { ids, role, line, text, question: questionOf(row), answer: answer ?? undefined }
}

/** What a judge is told was asked: a row's prompt, or its last message of the user. */
export const questionOf = (row: NumberedRow['row']): string =>
  row.prompt ?? row.messages!.findLast((m) => m.role === 'user')?.content ?? ''

/** A row of supervised training: prompt, completion and the token that ends it. Only the latter two are trained. */
export function supervisedRow(numbered: NumberedRow, options: PromptOptions): Row & { line: number } {
  const { codec, maxTokens, role } = options
  const prompt = promptOf(numbered, { ...options, maxTokens: Infinity })
  const start = prompt.ids.length
  const ids = [...prompt.ids, ...codec.encode(numbered.row.completion ?? ''), codec.endId]
  if (ids.length > maxTokens) {
    throw new GavelError(
      'prompt_too_long',
      `${role}, line ${numbered.line}: prompt and completion have ${ids.length} tokens, more than the ${maxTokens} allowed; shorten the row, or raise max_tokens`,
      { param: role },
    )
  }
  return { ids, start, line: numbered.line }
}

/** The ids that end an answer. Warns, once a job, where there are none. */
export function answerEnds(codec: TextCodec, { event, resume }: RunContext): number[] {
  const { stopIds } = codec
  if (stopIds.length === 0 && !resume) {
    event(
      'warning',
      'the tokenizer has no token that ends a text (no eos_token in tokenizer_config.json), so every answer goes on to max_new_tokens',
    )
  }
  return stopIds
}

function naming<T>(where: string, role: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof GavelError)) throw cause
    throw new GavelError('bad_dataset_line', `${where}: ${cause.message}`, { param: role, cause })
  }
}
