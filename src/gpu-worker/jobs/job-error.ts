import { ERRORS, GavelError } from '../../core/errors.ts'
import type { JobError } from '../../core/schemas/job.ts'

/** Longest message that the API takes. */
const MAX_MESSAGE = 4000

/**
 * What kept a job from going on, as the API is told: its own error where it is one of ours, `disk_full` where this
 * machine has no room, `internal` for what nobody foresaw. `retryable`: another attempt may not meet it again.
 */
export function jobErrorOf(error: unknown): { error: JobError; retryable: boolean } {
  const { code, message } = describe(error)
  return { error: { code, message: message.slice(0, MAX_MESSAGE).toWellFormed() }, retryable: ERRORS[code].retryable }
}

function describe(error: unknown): Pick<GavelError, 'code' | 'message'> {
  if (error instanceof GavelError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return {
      code: 'disk_full',
      message: `The worker's disk is full (${message}). Free some space or set GAVEL_WORKSPACE to a larger one, then resume the job.`,
    }
  }
  return { code: 'internal', message: `The worker failed: ${message}` }
}
