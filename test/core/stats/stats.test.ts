import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { agreement, auc, aucWithin, type Graded } from '../../../src/core/stats/agreement.ts'
import { unlimited } from '../../../src/core/work-budget.ts'
import { groupByValue, majorityAtK, majorityVote, type Vote } from '../../../src/core/stats/majority-vote.ts'
import { mcnemar, pairedDifference } from '../../../src/core/stats/mcnemar.ts'
import { passAtK } from '../../../src/core/stats/pass-at-k.ts'
import { wilsonInterval } from '../../../src/core/stats/wilson-interval.ts'

/** Numbers of scipy, statsmodels and exact fractions; `make.py` beside them made them. */
const expected = JSON.parse(
  readFileSync(new URL('../../fixtures/statistics/expected.json', import.meta.url), 'utf8'),
) as {
  wilson: [correct: number, n: number, low: number, high: number][]
  mcnemar: [onlyA: number, onlyB: number, n: number, p: number, difference: number, low: number, high: number][]
  pass_at_k: [n: number, c: number, k: number, value: number][]
  auc: [right: number[], wrong: number[], value: number][]
}
const near = (actual: number, wanted: number, what: string, relative = 1e-9) =>
  assert.ok(Math.abs(actual - wanted) <= 1e-12 + relative * Math.abs(wanted), `${what}: ${actual} for ${wanted}`)

test('Wilson: as statsmodels has it, counts that are no whole numbers included', () => {
  for (const [correct, n, low, high] of expected.wilson) {
    const interval = wilsonInterval(correct, n)
    near(interval.low, low, `low of ${correct}/${n}`)
    near(interval.high, high, `high of ${correct}/${n}`)
  }
})

test('McNemar: exact as statsmodels has it, and the paired difference with its interval', () => {
  for (const [onlyA, onlyB, n, p, difference, low, high] of expected.mcnemar) {
    const what = `${onlyA} against ${onlyB}`
    near(mcnemar(onlyA, onlyB), p, what, 1e-7)
    assert.equal(mcnemar(onlyA, onlyB), mcnemar(onlyB, onlyA))
    const paired = pairedDifference(onlyA, onlyB, n)
    near(paired.difference, difference, what)
    near(paired.low, low, `low of ${what}`)
    near(paired.high, high, `high of ${what}`)
  }
  assert.throws(() => mcnemar(0.5, 1), RangeError)
  assert.throws(() => mcnemar(-1, 1), RangeError)
})

test('pass@k: exact fractions', () => {
  for (const [n, c, k, value] of expected.pass_at_k) near(passAtK(n, c, k), value, `pass@${k} of ${c}/${n}`)
  for (const [n, c, k] of [
    [2, 1, 3],
    [2, 3, 1],
    [2, 1, 0],
    [2, 0.5, 1],
  ] as const)
    // prettier-ignore
    assert.throws(() => passAtK(n, c, k), RangeError)
})

test('majority@k: the leading value counts, ties by their share, whole groups only', () => {
  const votes = (text: string): Vote[] =>
    [...text].map((c) => (c === '-' ? null : { value: c.charCodeAt(0), correct: c === 'R' }))
  assert.equal(majorityVote(votes('RRx')), 1)
  assert.equal(majorityVote(votes('Rxx')), 0)
  assert.equal(majorityVote(votes('Rx')), 1 / 2)
  assert.equal(majorityVote(votes('Rxy')), 1 / 3)
  // No answer is no vote: one vote against two silences leads.
  assert.equal(majorityVote(votes('R--')), 1)
  assert.equal(majorityVote(votes('---')), 0)
  assert.equal(majorityAtK(votes('RRxxxR'), 1), 1 / 2)
  assert.equal(majorityAtK(votes('RRxxxR'), 3), (1 + 0) / 2)
  assert.equal(majorityAtK(votes('RRxxxR'), 2), (1 + 0 + 1 / 2) / 3)
  // The last two make no group of four.
  assert.equal(majorityAtK(votes('RRRxxx'), 4), 1)
  assert.throws(() => majorityAtK(votes('R'), 2), RangeError)
})

test('votes are grouped by the value of what they state', async () => {
  const [half, three] = [0.5, 3]
  const stated = [
    { answer: '1/2', half },
    { answer: '0.5', half },
    null,
    { answer: '3', three },
    { answer: '0.50', half },
    { answer: '3', three },
  ]
  let asked = 0
  const same = (a: { half?: number }, b: { half?: number }) => {
    asked++
    return a.half === b.half
  }
  assert.deepEqual(await groupByValue(stated, same, unlimited()), [0, 0, -1, 3, 0, 3])
  assert.equal(asked, 3)
})

test('AUC: as scipy’s Mann–Whitney U has it', () => {
  for (const [right, wrong, value] of expected.auc) near(auc(graded(right, wrong))!, value, 'AUC')
})

test('Wilson: the published table (Newcombe 1998, Statistics in Medicine 17, table I, method 3)', () => {
  const published: [number, number, number, number][] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ]
  for (const [correct, n, low, high] of published) {
    const interval = wilsonInterval(correct, n)
    assert.deepEqual([interval.low.toFixed(4), interval.high.toFixed(4)], [low.toFixed(4), high.toFixed(4)])
  }
})

test('Wilson: symmetric, inside [0, 1], whole when nothing is known, and no share from nonsense', () => {
  const { low, high } = wilsonInterval(3, 10)
  const mirrored = wilsonInterval(7, 10)
  assert.ok(Math.abs(low - (1 - mirrored.high)) < 1e-12 && Math.abs(high - (1 - mirrored.low)) < 1e-12)
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 })
  assert.equal(wilsonInterval(20, 20).high, 1)
  for (const [correct, n] of [
    [-1, 5],
    [6, 5],
    [NaN, 5],
  ] as const) {
    assert.throws(() => wilsonInterval(correct, n), RangeError)
  }
})

const graded = (right: number[], wrong: number[]): Graded[] => [
  ...right.map((score) => ({ score, correct: true })),
  ...wrong.map((score) => ({ score, correct: false })),
]

test('AUC: closed forms, ties counted half', () => {
  assert.equal(auc(graded([0.9, 0.8], [0.1, 0.2])), 1)
  assert.equal(auc(graded([0.1], [0.9])), 0)
  assert.equal(auc(graded([0.5, 0.5], [0.5])), 0.5)
  // scikit-learn's documented example: y = [0, 0, 1, 1], scores = [.1, .4, .35, .8] → 0.75
  assert.equal(auc(graded([0.35, 0.8], [0.1, 0.4])), 0.75)
  assert.equal(auc(graded([0.5], [])), null)
})

test('AUC within groups: the mean over those that have both kinds, whatever the groups’ levels', () => {
  const rows = [
    ...graded([0.9, 0.8], [0.7, 0.85]).map((row) => ({ ...row, group: 'easy' })),
    ...graded([0.2], [0.1]).map((row) => ({ ...row, group: 'hard' })),
    ...graded([0.5], []).map((row) => ({ ...row, group: 'solved by all' })),
  ]
  assert.equal(
    aucWithin(rows, ({ group }) => group),
    (0.75 + 1) / 2,
  )
  assert.equal(
    aucWithin(rows.slice(0, 2), ({ group }) => group),
    null,
  )
})

test('AUC: equal to counting all pairs, on random scores with many ties', () => {
  const rng = new SeededRng(3)
  const rows = Array.from({ length: 300 }, () => ({
    score: Math.floor(rng.uniform() * 10),
    correct: rng.uniform() < 0.4,
  }))
  let wins = 0
  let pairs = 0
  for (const a of rows.filter((row) => row.correct)) {
    for (const b of rows.filter((row) => !row.correct)) {
      pairs++
      wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0
    }
  }
  assert.ok(Math.abs(auc(rows)! - wins / pairs) < 1e-12)
})

test('agreement: accuracy and both error rates at 0.5', () => {
  const figures = agreement(graded([0.9, 0.7, 0.4], [0.6, 0.1, 0.2, 0.3]))
  assert.deepEqual(figures, { n: 7, accuracy: 5 / 7, falsePositiveRate: 1 / 4, falseNegativeRate: 1 / 3, auc: 11 / 12 })
  // At the threshold a judge accepts.
  assert.equal(agreement(graded([0.5], [])).accuracy, 1)
  assert.equal(agreement(graded([], [0.5, 0.4])).falsePositiveRate, 1 / 2)
  assert.deepEqual(agreement([]), { n: 0, accuracy: null, falsePositiveRate: null, falseNegativeRate: null, auc: null })
})
