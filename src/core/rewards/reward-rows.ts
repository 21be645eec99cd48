import { GavelError } from '../errors.ts'
import type { Judgment } from '../judges/probability.ts'
import type { JudgeItem } from '../judges/template.ts'
import type { ProgramRunner } from '../programs.ts'
import type { RewardItem, RewardRecipe } from '../schemas/reward.ts'
import type { Verdict } from '../schemas/verify.ts'
import type { Graded } from '../stats/agreement.ts'
import { verifierOf } from '../verifiers/index.ts'
import { validityGate, type GateReason } from './validity-gate.ts'

/** What is known of a row without a judge. */
export interface AssessedRow {
  /** Null on unlabelled rows, and where the recipe names no verifier. */
  verdict: Verdict | null
  /** Why the gate refuses the answer; null when it passes or the recipe has no gate. */
  gated: GateReason | null
  /** Whether the recipe wants the judge on this row. */
  needsJudge: boolean
}

/** The parts of a row's reward. Each is in [0, 1] and absent where it was not computed. */
export interface RewardTerms {
  verifier?: number
  judge?: number
  gate?: 'passed' | GateReason
}

export type RowReward =
  | { outcome: 'scored'; reward: number; terms: RewardTerms; reason?: 'gated' }
  | { outcome: 'abstained' | 'failed'; reward: null; terms: RewardTerms; reason: string }

/**
 * The first half of rewarding: verifier and gate. The verifier runs on every labelled row for which the recipe names
 * one, even with λ = 0, so that wherever the judge runs on a labelled row too its agreement with the truth is known.
 *
 * @param programs what runs programs, for the recipes that need it
 * @throws GavelError unprocessable (param `items[i].answer`) when a gold answer cannot be compared
 */
export async function assessRows(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  programs: ProgramRunner | null = null,
): Promise<AssessedRow[]> {
  const verifier = recipe.verifier === undefined ? null : verifierOf(recipe.verifier, programs)
  const verdicts = await Promise.all(
    items.map(async ({ completion, answer }, i) =>
      verifier && answer !== undefined
        ? naming(`items[${i}].answer`, () => verifier.verify({ text: completion, gold: answer }))
        : null,
    ),
  )
  return items.map((item, i) => {
    const gated = recipe.gate ? validityGate(item, verifier?.extract ?? null) : null
    return { verdict: verdicts[i], gated, needsJudge: recipe.mu > 0 && gated === null }
  })
}

/**
 * The second half: r = λ·V + μ·J over the terms that apply to the row. V applies to labelled rows, J to all.
 * `normalise: "row"` divides by the weights that apply, so that labelled and unlabelled rows share one scale.
 *
 * - A gated row is `scored` 0 with reason `gated`, whatever else is known of it.
 * - Where the judge was wanted and gave no score, the row has none either, even if it is labelled: V alone would be on
 *   another scale than the rows it is compared with. It is `abstained` or `failed`, with reward null.
 * - A row to which no term applies (unlabelled, μ = 0) is `abstained`.
 *
 * @param judgments by row, null where `needsJudge` is false
 */
export function combineRows(
  recipe: RewardRecipe,
  rows: readonly AssessedRow[],
  judgments: readonly (Judgment | null)[],
): RowReward[] {
  return rows.map((row, i) => combineRow(recipe, row, judgments[i] ?? null))
}

function combineRow(recipe: RewardRecipe, row: AssessedRow, judgment: Judgment | null): RowReward {
  const terms: RewardTerms = {}
  if (row.verdict) terms.verifier = row.verdict.reward
  if (judgment?.outcome === 'scored') terms.judge = judgment.probability
  if (recipe.gate) terms.gate = row.gated ?? 'passed'
  if (row.gated) return { outcome: 'scored', reward: 0, terms, reason: 'gated' }

  if (row.needsJudge && judgment?.outcome !== 'scored') {
    if (!judgment) return { outcome: 'failed', reward: null, terms, reason: 'the judge was not asked about this row' }
    return { outcome: judgment.outcome, reward: null, terms, reason: judgment.reason }
  }
  const weighted = [
    { weight: recipe.lambda, term: terms.verifier },
    { weight: recipe.mu, term: terms.judge },
  ].filter(({ weight, term }) => weight > 0 && term !== undefined)
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0) {
    const reason =
      'no term of the recipe applies to this row: it has no gold answer and mu is 0; label it or give the recipe a judge'
    return { outcome: 'abstained', reward: null, terms, reason }
  }
  const sum = weighted.reduce((acc, { weight, term }) => acc + weight * term!, 0)
  return { outcome: 'scored', reward: recipe.normalise === 'row' ? sum / total : sum, terms }
}

/** The items of {@link assessRows} to put before the judge, with the row each belongs to. */
export function planJudgeItems(
  items: readonly RewardItem[],
  rows: readonly AssessedRow[],
): { row: number; item: JudgeItem }[] {
  return items.flatMap(({ prompt, completion }, row) =>
    rows[row].needsJudge ? [{ row, item: { question: prompt, answer: completion } }] : [],
  )
}

/**
 * Rewards rows: assess, judge what must be judged, combine. One per item, in order.
 *
 * @param judge asked once with all items that need it, not at all when none does
 * @param programs what runs programs, where anything does
 * @throws GavelError as {@link assessRows}; whatever `judge` throws
 */
export async function rewardRows<J extends Judgment>(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  judge: (items: JudgeItem[]) => Promise<J[]>,
  programs: ProgramRunner | null = null,
): Promise<{ rewards: RowReward[]; judgments: (J | null)[]; rows: AssessedRow[] }> {
  const rows = await assessRows(recipe, items, programs)
  const plan = planJudgeItems(items, rows)
  const asked = plan.length === 0 ? [] : await judge(plan.map(({ item }) => item))
  const judgments: (J | null)[] = items.map(() => null)
  plan.forEach(({ row }, i) => (judgments[row] = asked[i]))
  return { rewards: combineRows(recipe, rows, judgments), judgments, rows }
}

/** The overlap slice: rows where both the judge's probability and the truth are known, for `stats/agreement.ts`. */
export function overlapOf(rows: readonly AssessedRow[], judgments: readonly (Judgment | null)[]): Graded[] {
  return rows.flatMap(({ verdict }, i) => {
    const judgment = judgments[i]
    return verdict && judgment?.outcome === 'scored' ? [{ score: judgment.probability, correct: verdict.correct }] : []
  })
}

async function naming<T>(param: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof GavelError)) throw error
    if (error.param !== 'gold') throw error
    throw new GavelError(error.code, `${param}: ${error.message}`, { param, cause: error })
  }
}
