import { mean } from '../moments.ts'
import type { AnsweredRow, EvalResult } from '../schemas/eval.ts'
import { agreement } from './agreement.ts'
import { majorityAtK } from './majority-vote.ts'
import { passAtK } from './pass-at-k.ts'
import { wilsonInterval } from './wilson-interval.ts'

/** P(Yes) from which on a judge is taken to accept. */
const ACCEPTED = 0.5

/**
 * The numbers of an evaluation from its rows. Nothing else goes in, so that one taken up again ends as one never stopped.
 *
 * @param groupSize answers to each row
 * @param k the k of pass@k and majority@k; by default 1, 2, 4 … and `groupSize`
 * @param judged whether a judge was asked
 */
export function summariseEval(
  rows: readonly AnsweredRow[],
  { groupSize, k, judged }: { groupSize: number; k?: readonly number[] | undefined; judged: boolean },
): EvalResult {
  const labelled = rows.filter(({ answers }) => answers[0]?.correct != null)
  const rightOf = ({ answers }: AnsweredRow) => answers.filter(({ correct }) => correct).length
  const atK = (of: (row: AnsweredRow, k: number) => number) =>
    (k ?? powersUpTo(groupSize)).map((k) => {
      const solved = labelled.reduce((sum, row) => sum + of(row, k), 0)
      return { k, value: labelled.length ? solved / labelled.length : 0, ...wilsonInterval(solved, labelled.length) }
    })

  // Whole numbers are added before they are divided, so that one answer a row gives an exact count.
  const correct = labelled.reduce((sum, row) => sum + rightOf(row), 0) / groupSize
  const n = labelled.length
  return {
    rows: rows.length,
    correct,
    n,
    accuracy: n === 0 ? null : correct / n,
    ...wilsonInterval(correct, n),
    ...(groupSize > 1 && {
      pass_at_k: atK((row, k) => passAtK(groupSize, rightOf(row), k)),
      majority_at_k: atK((row, k) => majorityAtK(row.answers.map(voteOf), k)),
    }),
    ...(judged && { judge: summariseJudge(rows) }),
  }
}

function summariseJudge(rows: readonly AnsweredRow[]): EvalResult['judge'] {
  const scored = rows.flatMap(({ answers }) =>
    answers.flatMap(({ correct, judgment }) =>
      judgment?.outcome === 'scored' ? [{ correct, score: judgment.probability! }] : [],
    ),
  )
  const masses = rows.flatMap(({ answers }) => answers.flatMap(({ judgment }) => judgment?.label_mass ?? []))
  // A row counts once, by its share of accepted answers.
  const acceptedShares = rows.flatMap(({ answers }) => {
    const scores = answers.flatMap(({ judgment }) => judgment?.probability ?? [])
    return scores.length ? [scores.filter((p) => p >= ACCEPTED).length / scores.length] : []
  })
  const accepted = acceptedShares.reduce((sum, share) => sum + share, 0)
  const withGold = scored.flatMap(({ correct, score }) => (correct === null ? [] : [{ correct, score }]))
  const { auc, accuracy, falsePositiveRate, falseNegativeRate } = agreement(withGold, ACCEPTED)
  return {
    scored: scored.length,
    mean: mean(scored.map(({ score }) => score)),
    accepted: mean(acceptedShares),
    ...wilsonInterval(accepted, acceptedShares.length),
    label_mass: mean(masses),
    auc,
    accuracy,
    false_positive_rate: falsePositiveRate,
    false_negative_rate: falseNegativeRate,
  }
}

const voteOf = ({ value, correct }: AnsweredRow['answers'][number]) =>
  value < 0 ? null : { value, correct: !!correct }

/** 1, 2, 4 … and the largest itself. */
function powersUpTo(largest: number): number[] {
  const powers = []
  for (let k = 1; k < largest; k *= 2) powers.push(k)
  return [...powers, largest]
}
