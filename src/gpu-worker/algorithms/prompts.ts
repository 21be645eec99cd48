import { GavelError } from '../../core/errors.ts'
import type { Verifier } from '../../core/verifiers/verifier.ts'
import { RowCodec, type RowFormat } from '../text/row-codec.ts'
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
  rows: RowCodec
  role: string
  /** What answers are to be compared by; a gold answer that it cannot compare is an error. */
  verifier?: Verifier | undefined
}

/** How the rows of a job become ids. The job's first event says so. Throws as `RowCodec`. */
export function openRows(codec: TextCodec, format: RowFormat, { event, resume }: RunContext): RowCodec {
  const rows = new RowCodec(codec, format)
  if (resume) return rows
  const chat = format.prompt_template === undefined ? "the model's chat template" : 'prompt_template'
  const taken = { chat: `one turn of a user, in ${chat}`, raw: 'a text that the model goes on from as it stands' }
  const template = rows.codec.hasChatTemplate ? (format.prompt_template === undefined ? 'model' : 'job') : null
  event('info', `a row with \`prompt\` is ${taken[rows.format]} (prompt_format "${rows.format}")`, {
    prompt_format: rows.format,
    template,
  })
  return rows
}

/**
 * A row's prompt as token ids. Throws `bad_dataset_line` naming dataset and line for an empty
 * prompt, messages that the chat template refuses, tokens that the model lacks and gold that the verifier cannot compare.
 */
export function promptOf({ line, row }: NumberedRow, { rows, role, verifier }: PromptOptions): Prompt {
  const at = <T>(work: () => T, hint = ''): T => naming(`${role}, line ${line}`, role, work, hint)
  const hint =
    row.prompt !== undefined && rows.format === 'chat' ? '. Or take prompts as they stand: prompt_format "raw"' : ''
  const { text, ids } = at(() => rows.prompt(row), hint)
  if (ids.length === 0) {
    throw new GavelError('bad_dataset_line', `${role}, line ${line}: the prompt is empty; give it some text`, {
      param: role,
    })
  }
  const { answer } = row
  if (verifier && answer != null) at(() => verifier.checkGold(answer))
  return { ids, role, line, text, question: questionOf(row), answer: answer ?? undefined }
}

/** What a judge is told was asked: a row's prompt, or its last message of the user. */
export const questionOf = (row: NumberedRow['row']): string =>
  row.prompt ?? row.messages!.findLast((m) => m.role === 'user')?.content ?? ''

/** Cuts a prompt to its last tokens: what is asked stands at the end. The judge is still told all of the question. */
export const lastTokens =
  (count: number, codec: TextCodec) =>
  (prompt: Prompt): Prompt => {
    const ids = prompt.ids.slice(-count)
    return { ...prompt, ids, text: codec.decode(ids) }
  }

/** Cuts a row of supervised training after its first tokens; null where none of its completion is left. */
export const firstTokens =
  (count: number) =>
  (row: TrainedRow): TrainedRow | null =>
    row.start < count ? { ...row, ids: row.ids.slice(0, count) } : null

export type TrainedRow = Row & { line: number; joined: boolean }

/** A row of supervised training: prompt, completion and what ends it. Only the latter two are trained. */
export function supervisedRow(numbered: NumberedRow, options: PromptOptions): TrainedRow {
  const { rows, role } = options
  const prompt = promptOf(numbered, options)
  const { ids, start, joined } = naming(`${role}, line ${numbered.line}`, role, () =>
    rows.supervised(numbered.row, prompt),
  )
  return { ids, start, line: numbered.line, joined }
}

/** The ids that end an answer. Warns, once a job, where there are none. */
export function answerEnds(codec: TextCodec, { event, resume }: RunContext): number[] {
  const { stopIds } = codec
  if (stopIds.length === 0 && !resume) {
    event(
      'warning',
      'the model names no token that ends a text (no eos_token in tokenizer_config.json, no eos_token_id in config.json or generation_config.json), so every answer goes on to max_new_tokens',
    )
  }
  return stopIds
}

function naming<T>(where: string, role: string, work: () => T, hint = ''): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof GavelError)) throw cause
    throw new GavelError('bad_dataset_line', `${where}: ${cause.message}${hint}`, { param: role, cause })
  }
}
