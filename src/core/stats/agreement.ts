import { mean } from '../moments.ts'

/** A judge's probability beside the truth. */
export interface Graded {
  /** P(Yes), 0 … 1. */
  score: number
  correct: boolean
}

/**
 * The area under the ROC curve: the chance that a right answer scores above a wrong one, ties counted half
 * (Mann–Whitney U / (n₁ n₀), by mid-ranks). O(n log n). Null unless both kinds occur.
 */
export function auc(graded: readonly Graded[]): number | null {
  const sorted = [...graded].sort((a, b) => a.score - b.score)
  const right = sorted.filter((row) => row.correct).length
  const wrong = sorted.length - right
  if (right === 0 || wrong === 0) return null
  let [below, rankSum] = [0, 0]
  for (const tied of Map.groupBy(sorted, ({ score }) => score).values()) {
    const midRank = below + (tied.length + 1) / 2
    rankSum += midRank * tied.filter((row) => row.correct).length
    below += tied.length
  }
  return (rankSum - (right * (right + 1)) / 2) / (right * wrong)
}

/**
 * Mean AUC over the groups that hold right and wrong answers; null where none does. With a group a question it is what
 * group-relative training lives on: an AUC over all answers is also earned by knowing which questions are hard.
 */
export function aucWithin<T extends Graded>(graded: readonly T[], groupOf: (row: T) => string): number | null {
  const areas = [...Map.groupBy(graded, groupOf).values()].flatMap((group) => auc(group) ?? [])
  return mean(areas)
}

export interface Agreement {
  n: number
  /** Share of rows where (score ≥ threshold) is the truth; null of no rows. */
  accuracy: number | null
  /** Wrong answers that the judge accepts, as a share of all wrong ones; null when none is wrong. */
  falsePositiveRate: number | null
  /** Right answers that the judge refuses, as a share of all right ones; null when none is right. */
  falseNegativeRate: number | null
  auc: number | null
}

/** How a judge agrees with the truth on rows where both are known. */
export function agreement(graded: readonly Graded[], threshold = 0.5): Agreement {
  const right = graded.filter((row) => row.correct)
  const wrong = graded.filter((row) => !row.correct)
  const falsePositives = wrong.filter((row) => row.score >= threshold).length
  const falseNegatives = right.filter((row) => row.score < threshold).length
  return {
    n: graded.length,
    accuracy: share(graded.length - falsePositives - falseNegatives, graded.length),
    falsePositiveRate: share(falsePositives, wrong.length),
    falseNegativeRate: share(falseNegatives, right.length),
    auc: auc(graded),
  }
}

/** The Brier score: mean squared distance of P(Yes) from the truth (1 or 0); null of no rows. */
export function brier(graded: readonly Graded[]): number | null {
  return mean(graded.map(({ score, correct }) => (score - Number(correct)) ** 2))
}

function share(count: number, total: number): number | null {
  return total === 0 ? null : count / total
}
