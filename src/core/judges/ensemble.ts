import { mean, squaredDeviations, standardDeviation } from '../moments.ts'
import type { EnsembleProvider } from '../schemas/judge.ts'
import { longest, sumUsage, type ScoredItem } from './score-items.ts'

const COMBINE: { [C in EnsembleProvider['combine']]: (probabilities: number[], k: number) => number } = {
  mean: (probabilities) => mean(probabilities)!,
  min: (probabilities) => Math.min(...probabilities),
  mean_minus_sd: (probabilities, k) => Math.max(0, mean(probabilities)! - k * standardDeviation(probabilities)!),
}

/**
 * What an ensemble makes of its judges' scores, item by item. Where one of them gave none, the ensemble has none: a
 * combination of fewer would be another judge.
 *
 * @param scored by judge, in the order of `judges`: each one's items
 */
export function combineJudges(
  { judges, combine, k }: Pick<EnsembleProvider, 'judges' | 'combine' | 'k'>,
  scored: readonly (readonly ScoredItem[])[],
): ScoredItem[] {
  return scored[0]!.map((_, i) => {
    const own = scored.map((items) => items[i]!)
    const shared = {
      cached: own.every(({ cached }) => cached),
      usage: sumUsage(own),
      latencyMs: longest(own),
      members: own.map((item, m) => ({
        judge: judges[m]!,
        outcome: item.outcome,
        probability: item.outcome === 'scored' ? item.probability : null,
      })),
    }
    const silent = own.find(({ outcome }) => outcome === 'failed') ?? own.find(({ outcome }) => outcome === 'abstained')
    if (silent && silent.outcome !== 'scored') {
      const reason = `${judges[own.indexOf(silent)]} of the ensemble: ${silent.reason}`
      return { ...silent, reason, ...shared }
    }
    const certain = own.flatMap((item) => (item.outcome === 'scored' ? [item] : []))
    return {
      outcome: 'scored',
      probability: COMBINE[combine](
        certain.map(({ probability }) => probability),
        k,
      ),
      labelMass: Math.min(...certain.map(({ labelMass }) => labelMass)),
      ...shared,
    }
  })
}

/** How the judges of an ensemble agree, over the items that all of them scored. */
export interface JudgeAgreement {
  items: number
  /** Share of items on which all are on one side of 0.5; null of none. */
  same_verdict: number | null
  /** Krippendorff's alpha of their probabilities (interval data): 1 agreement, 0 as by chance; null where it is not defined. */
  alpha: number | null
}

/** @returns null unless the items are an ensemble's */
export function agreementOfJudges(items: readonly ScoredItem[]): JudgeAgreement | null {
  const members = items.flatMap(({ members }) => (members ? [members.map(({ probability }) => probability)] : []))
  if (members.length === 0) return null
  const complete = members.filter((row): row is number[] => row.every((p) => p !== null))
  const same = complete.filter((row) => new Set(row.map((p) => p >= 0.5)).size === 1).length
  return {
    items: complete.length,
    same_verdict: complete.length === 0 ? null : same / complete.length,
    alpha: krippendorffAlpha(complete),
  }
}

/**
 * Krippendorff's alpha for interval data, every unit rated by every rater: 1 − observed over expected disagreement,
 * both mean squared differences of pairs, within units and over all ratings (Krippendorff 2011).
 *
 * @returns null of fewer than two units, or where all ratings are the same
 */
export function krippendorffAlpha(units: readonly (readonly number[])[]): number | null {
  const ratings = units.flat()
  if (units.length < 2) return null
  const expected = pairSquares(ratings) / (ratings.length - 1)
  if (expected === 0) return null
  const observed = units.reduce((sum, unit) => sum + pairSquares(unit) / (unit.length - 1), 0)
  return 1 - observed / expected
}

/** Σ over all ordered pairs of (a − b)², which is 2(n Σa² − (Σa)²), computed around the mean. */
const pairSquares = (values: readonly number[]): number => 2 * values.length * squaredDeviations(values)
