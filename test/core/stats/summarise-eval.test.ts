import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnsweredRow } from '../../../src/core/schemas/eval.ts'
import { summariseEval } from '../../../src/core/stats/summarise-eval.ts'

type Answer = AnsweredRow['answers'][number]

const answer = (value: number, correct: boolean | null, p?: number | null): Answer => ({
  value,
  correct,
  judgment:
    p === undefined
      ? null
      : p === null
        ? { outcome: 'abstained', probability: null, label_mass: 0.1 }
        : { outcome: 'scored', probability: p, label_mass: 0.9 },
}) as Answer // prettier-ignore
const rowsOf = (...answers: Answer[][]): AnsweredRow[] =>
  answers.map((own, line) => ({ line, answers: own }) as AnsweredRow)
const near = (actual: number | null | undefined, expected: number) =>
  assert.ok(actual != null && Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`)

/** Two right of three, one without an answer; none right; two right that agree. The last row has no gold. */
const FOUR = rowsOf(
  [answer(0, true), answer(1, false), answer(0, true), answer(-1, false)],
  [answer(0, false), answer(0, false), answer(2, false), answer(3, false)],
  [answer(0, false), answer(1, true), answer(1, true), answer(3, false)],
  [answer(0, null), answer(0, null), answer(0, null), answer(0, null)],
)

test('shares over labelled rows, each by its share of right answers; unlabelled rows are counted as rows alone', () => {
  const result = summariseEval(FOUR, { groupSize: 4, judged: false })
  assert.deepEqual([result.rows, result.n, result.correct, result.accuracy], [4, 3, 1, 1 / 3])
  // Wilson's formula of 1 in 3, worked out in Python, as all intervals here.
  near(result.low, 0.0614919447203962)
  near(result.high, 0.792340399197976)
  assert.equal(result.judge, undefined)
})

test('pass@k and majority@k by hand, with k = 1, 2, 4 … and the number of answers by default', () => {
  const { pass_at_k, majority_at_k } = summariseEval(FOUR, { groupSize: 4, judged: false })
  assert.deepEqual(pass_at_k!.map(({ k }) => k), [1, 2, 4]) // prettier-ignore
  // Of 4 answers with 2 right: one drawn is right half the time, one of two in 1 − 1/6, one of four always.
  const expected = [1 / 2 + 1 / 2, 5 / 6 + 5 / 6, 2].map((solved) => solved / 3)
  pass_at_k!.forEach(({ value }, i) => near(value, expected[i]!))
  // Of the first row's halves one is a tie and one has one vote, right. The third's: a tie, a tie.
  const majorities = [1 / 2 + 1 / 2, (1 / 2 + 1) / 2 + (1 / 2 + 1 / 2) / 2, 1 + 1].map((solved) => solved / 3)
  majority_at_k!.forEach(({ value }, i) => near(value, majorities[i]!))
  near(pass_at_k![2]!.low, 0.207659600802024)
  near(pass_at_k![2]!.high, 0.938508055279604)
  const ks = (groupSize: number, k?: number[]) =>
    summariseEval(rowsOf(Array.from({ length: groupSize }, () => answer(0, true))), { groupSize, k, judged: false })
      .pass_at_k?.map((at) => at.k) // prettier-ignore
  assert.deepEqual(ks(6), [1, 2, 4, 6])
  assert.deepEqual(ks(2), [1, 2])
  assert.deepEqual(ks(6, [3, 5]), [3, 5])
  assert.equal(ks(1), undefined)
})

test('nothing labelled has no accuracy, an interval that knows nothing, and solves nothing', () => {
  const result = summariseEval(FOUR.slice(3), { groupSize: 4, k: [2], judged: false })
  assert.deepEqual([result.n, result.accuracy, result.low, result.high], [0, null, 0, 1])
  assert.deepEqual(result.pass_at_k, [{ k: 2, value: 0, low: 0, high: 1 }])
  assert.deepEqual(summariseEval([], { groupSize: 1, judged: false }).rows, 0)
})

test('the judge: over all answers that it scored, a row counting once; against the truth where that is known', () => {
  const rows = rowsOf(
    [answer(0, true, 0.9), answer(0, true, 0.5)],
    [answer(0, false, 0.6), answer(1, false, 0.2)],
    [answer(0, true, 0.1), answer(1, false, null)],
    [answer(0, null, 0.7), answer(0, null, 0.3)],
    [answer(0, null, null), answer(0, null, null)],
  )
  const { judge } = summariseEval(rows, { groupSize: 2, judged: true })
  assert.equal(judge!.scored, 7)
  near(judge!.mean, 3.3 / 7)
  // The last row has no score and no say: (1 + ½ + 0 + ½) / 4.
  near(judge!.accepted, 1 / 2)
  // 2 of 4.
  near(judge!.low, 0.15003898915215)
  near(judge!.high, 0.84996101084785)
  near(judge!.label_mass, (7 * 0.9 + 3 * 0.1) / 10)
  // Right 0.9, 0.5 and 0.1, wrong 0.6 and 0.2: of six pairs 0.9 wins two, 0.5 one.
  near(judge!.auc, 3 / 6)
  near(judge!.accuracy, 3 / 5)
  near(judge!.false_positive_rate, 1 / 2)
  near(judge!.false_negative_rate, 1 / 3)
})
