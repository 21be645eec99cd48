import { GavelError } from '../../core/errors.ts'

/**
 * Throws where not one of the answers that a judge was wanted for was scored: no number may be made of that, and there
 * is a cause to be mended. `judge_unreachable` (so that the job is tried again) where the judge failed.
 * @param what what was judged, for the message, e.g. `step 3`
 */
export function requireScores(what: string, outcomes: readonly { outcome: string; reason?: string }[]): void {
  if (outcomes.length === 0 || outcomes.some(({ outcome }) => outcome === 'scored')) return
  const failed = outcomes.find(({ outcome }) => outcome === 'failed')
  const reason = (failed ?? outcomes[0]!).reason ?? 'no reason given'
  const none = `${what}: none of ${outcomes.length} answers got a score`
  if (failed)
    throw new GavelError('judge_unreachable', `${none}: the judge failed (${reason}). Mend it, then resume the job.`)
  throw new GavelError(
    'invalid_request',
    `${none}: the judge gave no verdict (${reason}). Use another judge, template or min_label_mass.`,
  )
}
