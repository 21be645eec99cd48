/** What goes between the process and the thread that verifies. */
import type { PackedError } from '../../core/packed-error.ts'
import type { AssessedRow } from '../../core/rewards/assessed-row.ts'
import type { SimilarityMetric } from '../../core/schemas/grader.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import type { Verdict, VerifierSpec } from '../../core/schemas/verify.ts'

export type CheckRequest = { id: number; whose: string } & (
  | { kind: 'assess'; recipe: RewardRecipe; items: readonly RewardItem[] }
  | { kind: 'similarity'; metric: SimilarityMetric; input: string; reference: string }
  | { kind: 'verify'; spec: VerifierSpec; items: readonly { text: string; gold: string }[] }
)

export type PackedRow = Omit<AssessedRow, 'invalid'> & { invalid: PackedError | null }

export type CheckAnswer = { id: number } & (
  | { rows: PackedRow[] }
  | { verdicts: Verdict[] }
  | { similarity: number }
  | { error: PackedError }
  | { failure: unknown }
)
