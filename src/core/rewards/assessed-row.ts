import type { GavelError } from '../errors.ts'
import type { Verdict } from '../schemas/verify.ts'
import type { GateReason } from './validity-gate.ts'

/** What is known of a row without a judge. */
export interface AssessedRow {
  /** By its gold answer, or by its pseudo-label. Null on other rows, and where the recipe names no verifier. */
  verdict: Verdict | null
  /** The majority's answer, where that stands in for gold. */
  pseudoLabel: string | null
  /** Why the gate refuses the answer; null when it passes or the recipe has no gate. */
  gated: GateReason | null
  /** What is wrong with the row's gold answer; null when nothing is. */
  invalid: GavelError | null
  /** Whether the judge is asked: for the row's reward, or only to be held against the truth. */
  needsJudge: boolean
  /** Whether judge and reranker count in the row's reward. */
  judgeCounts: boolean
}
