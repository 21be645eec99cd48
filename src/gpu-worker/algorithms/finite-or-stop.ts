import { GavelError } from '../../core/errors.ts'

/** What helps a run that diverges, by where it did. */
export const REMEDIES = {
  update: 'with a lower learning_rate or less weight_decay',
  supervised: 'with a lower learning_rate or without rows that do not belong',
  reinforcement: 'with a lower learning_rate or a higher kl_coefficient',
} as const

/**
 * Throws `diverged` where a number of the step is NaN or infinite: what is committed stays the last good state.
 * @param rows the rows of the data that it may have come from
 */
export function finiteOrStop(
  step: number,
  numbers: Record<string, number>,
  remedy: (typeof REMEDIES)[keyof typeof REMEDIES],
  rows: readonly { role: string; line: number }[] = [],
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value)) continue
    throw new GavelError(
      'diverged',
      `step ${step}: ${name} is ${value}${naming(rows)}. Nothing of this step was kept; start a job from the last checkpoint, or from the model, ${remedy}.`,
    )
  }
}

/** Most rows that a message names. */
const NAMED_ROWS = 10

/** `, from labelled, lines 3, 7; unlabelled, line 2`. */
function naming(rows: readonly { role: string; line: number }[]): string {
  const distinct = [...new Map(rows.map((row) => [`${row.role} ${row.line}`, row])).values()]
  const named = distinct.slice(0, NAMED_ROWS)
  const parts = [...new Set(named.map(({ role }) => role))].map((role) => {
    const lines = named.filter((row) => row.role === role).map(({ line }) => line)
    return `${role}, line${lines.length > 1 ? 's' : ''} ${lines.join(', ')}`
  })
  const more = distinct.length - named.length
  return parts.length ? `, from ${parts.join('; ')}${more > 0 ? ` and ${more} more` : ''}` : ''
}
