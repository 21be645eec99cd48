import type { SimilarityMetric } from '../schemas/grader.ts'
import type { RewardItem, RewardRecipe } from '../schemas/reward.ts'
import type { Verdict, VerifierSpec } from '../schemas/verify.ts'
import type { AssessedRow } from './assessed-row.ts'

/**
 * Does what verifiers compute somewhere that holds up nobody else. Not for `program`, whose programs are run elsewhere.
 * Throws as what stands in for it, within the budget of one request.
 */
export interface Checks {
  /** As `assessRows`. @param whose tenant: tenants take turns */
  assess(recipe: RewardRecipe, items: readonly RewardItem[], whose: string): Promise<AssessedRow[]>
  /** As `verifyItems`. */
  verify(spec: VerifierSpec, items: readonly { text: string; gold: string }[], whose: string): Promise<Verdict[]>
  /** As `textSimilarity`. */
  similarity(metric: SimilarityMetric, input: string, reference: string, whose: string): Promise<number>
}

/** Whether a verifier runs programs. */
export const runsPrograms = (spec: VerifierSpec | undefined): boolean =>
  spec === 'program' || (typeof spec === 'object' && spec.type === 'program')
