import { GavelError } from '../../core/errors.ts'
import { heldOutRows } from '../../core/rl/held-out-rows.ts'
import type { SftSpec } from '../../core/schemas/sft.ts'
import { LongRows } from './long-rows.ts'
import { rowsAt, type Prepared } from './prepared-rows.ts'
import { firstTokens, supervisedRow, type TrainedRow } from './prompts.ts'
import type { Rows, RunContext } from './run-context.ts'
import type { OpenedRun } from './start-training.ts'

/** The rows of supervised training, none longer than the job allows. */
export interface SupervisedRows {
  rows: Prepared<TrainedRow>
  /** Those to validate on, where the job has any, and the dataset's role that they are of. */
  held: { rows: Prepared<TrainedRow>; role: string } | null
  long: LongRows
}

/**
 * The rows to train on, and those to validate on: a share of the dataset, or a dataset of their own. All of them are
 * looked at here. Throws as `supervisedRow` and `LongRows.fit`; `unprocessable` where a share leaves nothing.
 */
export function readSupervisedRows(
  { config, validation }: SftSpec,
  { training, rows: codec }: OpenedRun,
  maxTokens: number,
  context: RunContext,
): SupervisedRows {
  const long = new LongRows(config.on_long_rows, training.model.contextLength, context)
  const limit = { what: 'prompt and completion have', limit: maxTokens, field: 'max_tokens', shorten: firstTokens(maxTokens) } // prettier-ignore
  const read = (role: string, look?: (row: TrainedRow) => void) =>
    long.fit(context.rows(role), (row) => supervisedRow(row, { rows: codec, role }), { role, ...limit }, look)

  const lines = typeof validation === 'number' ? heldOutLines(context.rows('dataset'), validation, config.seed) : null
  /** Indices of what is trained on and of what is not, and lines of what is and begins within a token. */
  const [trained, out, joined] = [[], [], []] as number[][]
  let count = 0
  const fitted = read('dataset', (row) => {
    const isHeld = lines?.has(row.line) ?? false
    ;(isHeld ? out! : trained!).push(count++)
    if (row.joined && !isHeld) joined!.push(row.line)
  })
  warnOfJoined(joined!, trained!.length, context)
  if (typeof validation === 'string') {
    return { rows: fitted, held: { rows: read('validation'), role: 'validation' }, long }
  }
  if (!lines) return { rows: fitted, held: null, long }
  if (trained!.length === 0 || out!.length === 0) {
    const what = trained!.length === 0 ? 'to train on' : 'to validate on'
    const message = `of the rows that are not left out for their length none is left ${what}; raise max_tokens, or shorten the rows`
    throw new GavelError('prompt_too_long', `dataset: ${message}`, { param: 'dataset' })
  }
  if (!context.resume) {
    const message = `validation: ${out!.length} of ${count} rows are held out of training`
    context.event('info', message, { validation_rows: out!.length, rows: trained!.length })
  }
  return { rows: rowsAt(fitted, trained!), held: { rows: rowsAt(fitted, out!), role: 'dataset' }, long }
}

/** By place in the dataset, whatever is done about long rows: runs with other limits hold out the same. */
function heldOutLines(rows: Rows, share: number, seed: number): ReadonlySet<number> {
  if (rows.length < 2) {
    const message = 'the dataset has one row, and none of it can be held out; give more, or validate on another dataset'
    throw new GavelError('unprocessable', message, { param: 'validation' })
  }
  return new Set(Array.from(heldOutRows(rows.length, share, seed), (index) => rows.at(index)!.line))
}

/**
 * Where a token holds the end of a prompt and the beginning of its completion, no prompt ever ends as it did in training.
 * @param joined the lines of such rows
 */
function warnOfJoined(joined: readonly number[], rows: number, { event, resume }: RunContext): void {
  if (!joined.length || resume) return
  const lines = joined.slice(0, 3).join(', ')
  event(
    'warning',
    `in ${joined.length} of ${rows} rows (line ${lines}${joined.length > 3 ? ' …' : ''}) the tokenizer makes one token of the prompt's end and the completion's beginning: end the prompt, or begin the completion, with a blank or a line end`,
    { joined: joined.length },
  )
}
