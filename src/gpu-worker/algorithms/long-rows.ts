import { GavelError } from '../../core/errors.ts'
import type { OnLongRows } from '../../core/schemas/training.ts'
import { PreparedRows } from './prepared-rows.ts'
import type { NumberedRow, Rows, RunContext } from './run-context.ts'

/** A row as ids, and the line it came from. */
interface Encoded {
  ids: readonly number[]
  line: number
}

interface Fitting<T> {
  /** The dataset's role in the job. */
  role: string
  /** What is measured, for messages. */
  what: string
  /** Most tokens of a row, the field of config that says so, and how many more the model's context needs room for. */
  limit: number
  field: string
  beside?: number
  /** The row in `limit` tokens; null where nothing of use is left of it. */
  shorten: (row: T) => T | null
}

/** Most lines that a message names. */
const NAMED = 5

/** What becomes of a job's rows that are longer than its limits, and how many of them there were, for its result. */
export class LongRows {
  readonly #policy: OnLongRows
  readonly #contextLength: number
  readonly #context: Pick<RunContext, 'event' | 'resume'>
  readonly #counts: Record<string, { truncated: number; skipped: number }> = {}

  /** @param contextLength the model's, in tokens */
  constructor(policy: OnLongRows, contextLength: number, context: Pick<RunContext, 'event' | 'resume'>) {
    this.#policy = policy
    this.#contextLength = contextLength
    this.#context = context
  }

  /**
   * Rows that all fit, in their order. Throws `prompt_too_long` where long ones are an error, or none is left, and what
   * `prepare` throws.
   * @param look is shown every row that is left once, as it is left
   */
  fit<T extends Encoded>(
    rows: Rows,
    prepare: (row: NumberedRow) => T,
    fitting: Fitting<T>,
    look: (row: T) => void = () => {},
  ): PreparedRows<T> {
    const { role, limit, shorten } = fitting
    const cuts = this.#policy === 'truncate'
    // Looked at below, before any row is prepared a second time.
    const seen: Seen = { rows: rows.length, long: 0, lines: [], first: 0, longest: 0 }
    const fitRow = (row: T): T | null => (row.ids.length <= limit ? row : cuts ? shorten(row) : null)
    const fitted = new PreparedRows(
      rows,
      (numbered) => {
        const row = prepare(numbered)
        if (row.ids.length > limit) note(seen, row)
        return fitRow(row)
      },
      look,
    )
    if (seen.long === 0) return fitted
    const most = this.#contextLength - (fitting.beside ?? 0)
    if (this.#policy === 'error') throw tooLong(seen, fitting, most)

    const skipped = rows.length - fitted.length
    const truncated = seen.long - skipped
    this.#counts[role] = { truncated, skipped }
    if (fitted.length === 0) throw noneLeft(seen, fitting, most)
    const done = [truncated && `${truncated} cut off`, skipped && `${skipped} left out`].filter(Boolean).join(', ')
    if (!this.#context.resume) {
      const message = `${role}: ${described(seen, fitting)}: ${done} (on_long_rows "${this.#policy}")`
      this.#context.event('warning', message, { role, limit, truncated, skipped })
    }
    return fitted
  }

  /** By dataset; nothing where all rows fit. */
  result(): { long_rows?: Record<string, { truncated: number; skipped: number }> } {
    return Object.keys(this.#counts).length === 0 ? {} : { long_rows: this.#counts }
  }
}

/** What was seen of the rows that are too long. */
interface Seen {
  /** Of the dataset. */
  rows: number
  long: number
  /** The first of the long ones, by line, and the tokens of the very first. */
  lines: number[]
  first: number
  longest: number
}

function note(seen: Seen, { ids: { length }, line }: Encoded): void {
  if (seen.long++ === 0) seen.first = length
  if (seen.lines.length < NAMED) seen.lines.push(line)
  seen.longest = Math.max(seen.longest, length)
}

/** `3 of 200 rows have more than 512 tokens (lines 4, 9, 12; the longest 731)`. */
function described({ rows, long, lines, longest }: Seen, { limit }: { limit: number }): string {
  const more = long > NAMED ? ' …' : ''
  const named = `line${long > 1 ? 's' : ''} ${lines.join(', ')}${more}; the longest ${longest}`
  return `${long} of ${rows} rows ${long > 1 ? 'have' : 'has'} more than ${limit} tokens (${named})`
}

/** @param most what the limit could be with this model */
function tooLong<T>(seen: Seen, fitting: Fitting<T>, most: number): GavelError {
  const { role, what, limit, field, beside = 0 } = fitting
  const { first, longest, lines } = seen
  const fits = longest <= most
  const raise = fits
    ? `raise ${field} to ${longest}, `
    : beside > 0 && longest < most + beside
      ? `give ${field} ${longest} and max_new_tokens ${most + beside - longest}, `
      : ''
  const room = fits ? '' : `, and the model's context has room for ${most}${beside ? ` beside ${beside} new ones` : ''}`
  return new GavelError(
    'prompt_too_long',
    `${role}, line ${lines[0]!}: ${what} ${first} tokens, more than the ${limit} allowed; ${described(seen, fitting)}${room}. To go on, ${raise}set on_long_rows to "truncate" or "skip", or shorten the rows`,
    { param: role },
  )
}

function noneLeft<T>(seen: Seen, fitting: Fitting<T>, most: number): GavelError {
  const { role, field } = fitting
  const raise = fitting.limit < most ? `raise ${field} (up to ${most}), or shorten the rows` : 'shorten the rows'
  const message = `${role}: ${described(seen, fitting)}, and none is left to go on with; ${raise}`
  return new GavelError('prompt_too_long', message, { param: role })
}
