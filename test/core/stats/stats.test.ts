import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { agreement, auc, type Graded } from '../../../src/core/stats/agreement.ts'
import { mean, standardDeviation } from '../../../src/core/stats/moments.ts'
import { wilsonInterval } from '../../../src/core/stats/wilson-interval.ts'

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
    [0.5, 5],
    [NaN, 5],
  ]) {
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
  assert.equal(agreement(graded([0.5], [])).accuracy, 1)
  assert.deepEqual(agreement([]), { n: 0, accuracy: null, falsePositiveRate: null, falseNegativeRate: null, auc: null })
})

test('mean and sample standard deviation', () => {
  assert.equal(mean([2, 4, 4, 4, 5, 5, 7, 9]), 5)
  assert.ok(Math.abs(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])! - Math.sqrt(32 / 7)) < 1e-12)
  assert.equal(mean([]), null)
  assert.equal(standardDeviation([1]), null)
})
