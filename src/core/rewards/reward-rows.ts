import { GavelError } from '../errors.ts'
import type { Judgment } from '../judges/probability.ts'
import type { JudgeItem } from '../judges/template.ts'
import type { ProgramRunner } from '../ports.ts'
import { SeededRng } from '../rl/seeded-rng.ts'
import type { RewardItem, RewardRecipe } from '../schemas/reward.ts'
import type { Verdict } from '../schemas/verify.ts'
import type { Graded } from '../stats/agreement.ts'
import { verifierOf } from '../verifiers/index.ts'
import type { Stated, Verifier } from '../verifiers/verifier.ts'
import { unlimited, type WorkBudget } from '../work-budget.ts'
import type { AssessedRow } from './assessed-row.ts'
import { runsPrograms, type Checks } from './checks.ts'
import { randomJudgments, shuffledJudgments } from './control.ts'
import { groupsOf } from './groups.ts'
import { majorityAnswer } from './majority.ts'
import { validityGate, type GateReason } from './validity-gate.ts'

/** The parts of a row's reward. Each number is in [0, 1], and absent where it was not computed. */
export interface RewardTerms {
  verifier?: number
  judge?: number
  reranker?: number
  gate?: 'passed' | GateReason
  pseudo_label?: string
}

export type RowReward =
  | { outcome: 'scored'; reward: number; terms: RewardTerms; reason?: 'gated' }
  | { outcome: 'abstained' | 'failed'; reward: null; terms: RewardTerms; reason: string }

/** The judges of a recipe, by the field that names them. */
export const JUDGE_ROLES = ['judge', 'reranker'] as const
export type JudgeRole = (typeof JUDGE_ROLES)[number]

/**
 * The first half of rewarding: verifier, gate, pseudo-labels and routing. The verifier runs on every labelled row for
 * which the recipe names one, even with λ = 0, so that wherever the judge runs on a labelled row too its agreement with
 * the truth is known.
 *
 * @param programs what runs programs, for the recipes that need it
 * @throws GavelError `too_large` or `busy` by the budget
 */
export async function assessRows(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  programs: ProgramRunner | null = null,
  work: WorkBudget = unlimited(),
): Promise<AssessedRow[]> {
  const verifier = recipe.verifier === undefined ? null : verifierOf(recipe.verifier, programs)
  const read = await work.map(items, itemAt, (item) => readRow(recipe, verifier, item))
  const verified = await work.map(items, itemAt, ({ completion, answer }, i) =>
    verifyRow(verifier, completion, answer, `${itemAt(i)}.answer`),
  )
  const pseudo = verifier && recipe.pseudo_labels ? await pseudoLabels(recipe, items, read, verifier, work) : null
  return items.map((item, i) => {
    const { gated } = read[i]!
    const label = pseudo?.get(i)
    const { verdict, invalid } = label ? { verdict: label.verdict, invalid: null } : verified[i]!
    const isSplit = recipe.routing === 'split' && verdict !== null
    const asked = recipe.mu > 0 && gated === null && invalid === null
    return {
      verdict,
      pseudoLabel: label?.answer ?? null,
      gated,
      invalid,
      needsJudge: asked && (!isSplit || isOverlap(recipe, item)),
      judgeCounts: gated === null && invalid === null && !isSplit,
    }
  })
}

const itemAt = (row: number) => `items[${row}]`

interface ReadRow {
  gated: GateReason | null
  /** What the row states, where that was asked for. */
  stated: Stated | null
}

/** The gate, and the row's vote: where it has one, by what it was read as for the gate. */
function readRow(recipe: RewardRecipe, verifier: Verifier | null, item: RewardItem): ReadRow {
  let known: { stated: Stated | null } | undefined
  const read = () => (known ??= { stated: verifier && verifier.read(item.completion) }).stated
  const gated = recipe.gate ? validityGate(item, verifier && (() => read() !== null)) : null
  return { gated, stated: recipe.pseudo_labels && gated === null ? read() : null }
}

async function verifyRow(
  verifier: Verifier | null,
  text: string,
  gold: string | undefined,
  param: string,
): Promise<{ verdict: Verdict | null; invalid: GavelError | null }> {
  if (!verifier || gold === undefined) return { verdict: null, invalid: null }
  try {
    return { verdict: await verifier.verify({ text, gold }), invalid: null }
  } catch (error) {
    if (!(error instanceof GavelError) || error.param !== 'gold') throw error
    const invalid = new GavelError(error.code, `\`${param}\`: ${error.message}`, { param, cause: error })
    return { verdict: null, invalid }
  }
}

/** By row, what the majority of its group says and how the row compares; none of labelled rows, and without a majority. */
async function pseudoLabels(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  read: readonly ReadRow[],
  verifier: Verifier,
  work: WorkBudget,
): Promise<Map<number, { answer: string; verdict: Verdict }>> {
  const labels = new Map<number, { answer: string; verdict: Verdict }>()
  for (const group of groupsOf(items)) {
    const unlabelled = group.filter((row) => items[row]!.answer === undefined)
    if (unlabelled.length === 0) continue
    const stated = group.map((row) => read[row]!.stated)
    const majority = await majorityAnswer(stated, verifier, recipe.pseudo_labels!.min_share, work)
    if (!majority) continue
    const { answer } = majority
    const verdicts = await work.map(
      unlabelled,
      (i) => itemAt(unlabelled[i]!),
      (row) => verifier.verify({ text: items[row]!.completion, gold: answer }),
    )
    unlabelled.forEach((row, i) => labels.set(row, { answer, verdict: verdicts[i]! }))
  }
  return labels
}

/** Whether a labelled question is of those that are judged too, though that counts for nothing: the same ones each time. */
function isOverlap({ overlap = 0 }: RewardRecipe, { group, prompt }: RewardItem): boolean {
  return overlap > 0 && new SeededRng(0, 'overlap', group ?? prompt).uniform() < overlap
}

/**
 * The second half: r = λ·V + μ·J + ρ·R over the terms that apply to the row. V applies to labelled rows, J and R to all,
 * or with `routing: "split"` to those without a label. `normalise: "row"` divides by the weights that apply, so that
 * labelled and unlabelled rows share one scale; `clip` bounds what comes out.
 *
 * - A gated row is `scored` 0 with reason `gated`, whatever else is known of it.
 * - Where a judge or reranker was wanted for the reward and gave no score, the row has none either, even if it is
 *   labelled: V alone would be on another scale than the rows it is compared with. It is `abstained` or `failed`, with
 *   reward null.
 * - A row whose gold answer cannot be compared is `failed`; one to which no term applies (unlabelled, μ = ρ = 0) is
 *   `abstained`.
 *
 * @param judgments by row, null where the judge was not asked
 * @param reranked likewise, of the reranker
 */
export function combineRows(
  recipe: RewardRecipe,
  rows: readonly AssessedRow[],
  judgments: readonly (Judgment | null)[],
  reranked: readonly (Judgment | null)[] = [],
): RowReward[] {
  return rows.map((row, i) => combineRow(recipe, row, judgments[i] ?? null, reranked[i] ?? null))
}

function combineRow(
  recipe: RewardRecipe,
  row: AssessedRow,
  judgment: Judgment | null,
  reranked: Judgment | null,
): RowReward {
  const terms: RewardTerms = {}
  if (row.verdict) terms.verifier = row.verdict.reward
  if (judgment?.outcome === 'scored') terms.judge = judgment.probability
  if (reranked?.outcome === 'scored') terms.reranker = reranked.probability
  if (recipe.gate) terms.gate = row.gated ?? 'passed'
  if (row.pseudoLabel !== null) terms.pseudo_label = row.pseudoLabel
  if (row.gated) return { outcome: 'scored', reward: clipped(recipe, 0), terms, reason: 'gated' }
  if (row.invalid) return { outcome: 'failed', reward: null, terms, reason: row.invalid.message }

  for (const [name, weight, said] of [['judge', recipe.mu, judgment], ['reranker', recipe.rho, reranked]] as const) {
    if (!row.judgeCounts || weight === 0 || said?.outcome === 'scored') continue
    const reason = said?.reason ?? `the ${name} was not asked about this row`
    return { outcome: said?.outcome ?? 'failed', reward: null, terms, reason }
  } // prettier-ignore
  const weighted = [
    { weight: recipe.lambda, term: terms.verifier },
    { weight: row.judgeCounts ? recipe.mu : 0, term: terms.judge },
    { weight: row.judgeCounts ? recipe.rho : 0, term: terms.reranker },
  ].filter(({ weight, term }) => weight > 0 && term !== undefined)
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0) {
    const reason =
      'no term of the recipe applies to this row: it has no gold answer, and mu and rho are 0; label it or give the recipe a judge'
    return { outcome: 'abstained', reward: null, terms, reason }
  }
  const sum = weighted.reduce((acc, { weight, term }) => acc + weight * term!, 0)
  return { outcome: 'scored', reward: clipped(recipe, recipe.normalise === 'row' ? sum / total : sum), terms }
}

/** A reward within the recipe's bounds, where it has some. */
export const clipped = ({ clip }: RewardRecipe, reward: number): number =>
  clip ? Math.min(clip.max, Math.max(clip.min, reward)) : reward

/** The items of {@link assessRows} to put before the judge, with the row each belongs to. */
export function planJudgeItems(
  items: readonly RewardItem[],
  rows: readonly AssessedRow[],
): { row: number; item: JudgeItem }[] {
  return items.flatMap((item, row) => (rows[row]!.needsJudge ? [{ row, item: judgeItem(item) }] : []))
}

/** A gold answer is for the judges whose template shows one. */
const judgeItem = ({ prompt, completion, answer }: RewardItem): JudgeItem => ({
  question: prompt,
  answer: completion,
  ...(answer !== undefined && { reference: answer }),
})

/** What judge and reranker are to be asked of rows, with the row each item belongs to. */
export function planAsks(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  rows: readonly AssessedRow[],
): Record<JudgeRole, { row: number; item: JudgeItem }[]> {
  const reranked = items.flatMap((item, row) =>
    recipe.rho > 0 && rows[row]!.judgeCounts ? [{ row, item: judgeItem(item) }] : [],
  )
  return { judge: planJudgeItems(items, rows), reranker: reranked }
}

export interface Rewarding {
  /** What runs programs, where anything does. */
  programs?: ProgramRunner | null
  /** Called before anybody is asked, with whom will be asked about how many items; what it throws ends the rewarding. */
  beforeAsking?(asks: { role: JudgeRole; items: number }[]): Promise<void>
  /** Names the draws of a control: equal names draw equal numbers. Such as the step of a run. */
  stream?: string
  /** What may be spent on it; by itself whatever it takes. */
  work?: WorkBudget
  /** Where verifiers compute, and for whom; by itself here. */
  checks?: { by: Checks; whose: string } | null
}

/**
 * Rewards rows: assess, ask whom must be asked, combine. One per item, in order.
 *
 * @param ask the judge or the reranker; each is asked once with all items that need it, not at all when none does
 * @throws whatever `ask` throws
 */
export async function rewardRows<J extends Judgment>(
  recipe: RewardRecipe,
  items: readonly RewardItem[],
  ask: (items: JudgeItem[], role: JudgeRole) => Promise<J[]>,
  { programs = null, stream = '', beforeAsking, work = unlimited(), checks = null }: Rewarding = {},
): Promise<{ rewards: RowReward[]; judgments: (J | Judgment | null)[]; rows: AssessedRow[] }> {
  const rows =
    checks && recipe.verifier !== undefined && !runsPrograms(recipe.verifier)
      ? await checks.by.assess(recipe, items, checks.whose)
      : await assessRows(recipe, items, programs, work)
  const asks = planAsks(recipe, items, rows)
  const asked = JUDGE_ROLES.map((role) => ({ role, items: asks[role].length })).filter((one) => one.items > 0)
  if (recipe.control?.kind !== 'random') await beforeAsking?.(asked)

  const askAll = async (role: JudgeRole): Promise<(J | Judgment | null)[]> => {
    const said: (J | Judgment | null)[] = items.map(() => null)
    const plan = asks[role]
    if (plan.length === 0) return said
    const { control } = recipe
    const draws = `${role}/${stream}`
    const isRandom = control?.kind === 'random'
    const own = isRandom
      ? randomJudgments(plan.length, control, draws)
      : await ask(
          plan.map(({ item }) => item),
          role,
        )
    const dealt = control?.kind === 'shuffled' ? shuffledJudgments<J | Judgment>(own, control, draws) : own
    plan.forEach(({ row }, i) => (said[row] = dealt[i]!))
    return said
  }
  const [judgments, rerankings] = await Promise.all([askAll('judge'), askAll('reranker')])
  return { rewards: combineRows(recipe, rows, judgments, rerankings), judgments, rows }
}

/** @throws GavelError naming the first row whose gold answer cannot be compared, for callers that let no row fail alone */
export function refuseInvalid(rows: readonly AssessedRow[]): void {
  const invalid = rows.find((row) => row.invalid)?.invalid
  if (invalid) throw invalid
}

/** The overlap slice: rows where both the judge's probability and the truth are known, for `stats/agreement.ts`. */
export function overlapOf(rows: readonly AssessedRow[], judgments: readonly (Judgment | null)[]): Graded[] {
  return rows.flatMap(({ verdict, pseudoLabel }, i) => {
    const judgment = judgments[i]
    const isTrue = verdict !== null && pseudoLabel === null
    return isTrue && judgment?.outcome === 'scored' ? [{ score: judgment.probability, correct: verdict.correct }] : []
  })
}
