/** What goes between the process and the thread that verifies. */
import { GavelError, type ErrorCode } from '../../core/errors.ts'
import type { AssessedRow } from '../../core/rewards/assessed-row.ts'
import type { SimilarityMetric } from '../../core/schemas/grader.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import type { Verdict, VerifierSpec } from '../../core/schemas/verify.ts'

export type CheckRequest = { id: number; whose: string } & (
  | { kind: 'assess'; recipe: RewardRecipe; items: readonly RewardItem[] }
  | { kind: 'similarity'; metric: SimilarityMetric; input: string; reference: string }
  | { kind: 'verify'; spec: VerifierSpec; items: readonly { text: string; gold: string }[] }
)

/** An error as it can be sent. */
export interface PlainError {
  code: ErrorCode
  message: string
  param?: string
  retryAfter?: number
}
export type PlainRow = Omit<AssessedRow, 'invalid'> & { invalid: PlainError | null }

export type CheckAnswer = { id: number } & (
  { rows: PlainRow[] } | { verdicts: Verdict[] } | { similarity: number } | { error: PlainError } | { failure: unknown }
)

export const plainError = ({ code, message, param, retryAfter }: GavelError): PlainError => ({
  code,
  message,
  ...(param !== null && { param }),
  ...(retryAfter !== null && { retryAfter }),
})
export const gavelError = ({ code, message, ...options }: PlainError): GavelError =>
  new GavelError(code, message, options)
