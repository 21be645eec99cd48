import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { krippendorffAlpha } from '../../../src/core/judges/ensemble.ts'
import { calibrate, fitIsotonic, fitPlatt } from '../../../src/core/stats/calibration-map.ts'
import {
  calibrationReport,
  calibrationStudy,
  metricsOf,
  quantile,
  type GradedAnswer,
} from '../../../src/core/stats/calibration-report.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'

/** Made by scikit-learn and krippendorff; see make.py beside it. */
interface Fixture {
  cases: {
    score: number[]
    correct: boolean[]
    bins: number
    auc: number
    accuracy: number
    brier: number
    ece: number
    reliability: { share: number[]; mean: number[] }
    platt: { a: number; b: number }
    isotonic: { x: number[]; y: number[] }
    grid: number[]
    isotonic_of_grid: number[]
  }[]
  weighted: { case: number; weights: number[]; auc: number; accuracy: number; brier: number }
  ratings: number[][]
  alpha: number
}
const path = join(import.meta.dirname, '../../fixtures/calibration/calibration.json')
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture

const rowsOf = ({ score, correct }: Pick<Fixture['cases'][number], 'score' | 'correct'>) =>
  score.map((p, i) => ({ score: p, correct: correct[i]! }))
const near = (actual: number | null | undefined, expected: number, tolerance: number, what: string) =>
  assert.ok(actual != null && Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected}`)

for (const [i, known] of fixture.cases.entries()) {
  const rows = rowsOf(known)

  test(`case ${i}: AUC, accuracy, Brier, ECE and the reliability diagram are scikit-learn's`, () => {
    const once = Uint16Array.from(rows, () => 1)
    const report = calibrationReport(rows.toReversed(), known.score.toReversed(), [once], known.bins)
    for (const name of ['auc', 'accuracy', 'brier', 'ece'] as const) {
      near(report[name]!.value, known[name], 1e-12, name)
      // Drawing each row once is the sample itself.
      assert.deepEqual([report[name]!.low, report[name]!.high], [report[name]!.value, report[name]!.value])
    }
    const metrics = metricsOf([...rows].sort((a, b) => a.score - b.score), () => 1, known.bins) // prettier-ignore
    for (const name of ['auc', 'accuracy', 'brier', 'ece'] as const) near(metrics[name], known[name], 1e-12, name)
    const edges = report.reliability.map(({ from, to }) => [from * known.bins, to * known.bins])
    edges.forEach(([from, to], b) => assert.ok(Math.abs(from! - b) + Math.abs(to! - b - 1) < 1e-9, `bin ${b}`))
    const filled = report.reliability.filter(({ n }) => n > 0)
    assert.equal(filled.length, known.reliability.share.length)
    filled.forEach((bin, b) => {
      near(bin.share_correct, known.reliability.share[b]!, 1e-12, 'share')
      near(bin.mean_probability, known.reliability.mean[b]!, 1e-12, 'mean')
      assert.ok(bin.low <= bin.share_correct! && bin.share_correct! <= bin.high)
    })
  })

  test(`case ${i}: Platt's scaling of the logit is scikit-learn's`, () => {
    const { a, b } = fitPlatt(rows)
    // Its optimiser stops at a gradient of 1e-5 or so.
    near(a, known.platt.a, 2e-3 * Math.max(1, known.platt.a), 'a')
    near(b, known.platt.b, 2e-3 * Math.max(1, Math.abs(known.platt.b)), 'b')
  })

  test(`case ${i}: isotonic regression is scikit-learn's, at its steps and between them`, () => {
    const map = fitIsotonic(rows)
    map.x.forEach((x, k) => near(calibrate(map, x), map.y[k]!, 1e-12, `at ${x}`))
    known.grid.forEach((p, k) => near(calibrate(map, p), known.isotonic_of_grid[k]!, 1e-9, `at ${p}`))
  })
}

test("a row that counts three times is three rows: scikit-learn's sample weights", () => {
  const { case: index, weights, ...known } = fixture.weighted
  const weighted = rowsOf(fixture.cases[index]!).map((row, i) => ({ ...row, weight: weights[i]! }))
  const sorted = weighted.sort((a, b) => a.score - b.score)
  const metrics = metricsOf(sorted, ({ weight }) => weight, 10)
  for (const name of ['auc', 'accuracy', 'brier'] as const) near(metrics[name], known[name], 1e-12, name)
})

test('maps are fitted to weights as to so many copies; without a weight a row counts once', () => {
  const { case: index, weights } = fixture.weighted
  const rows = rowsOf(fixture.cases[index]!)
  const weighted = rows.map((row, i) => (weights[i] === 1 && i % 2 === 0 ? row : { ...row, weight: weights[i]! }))
  assert.ok(weights.some((weight) => weight > 1) && weighted.some((row) => !('weight' in row)))
  const copies = rows.flatMap((row, i) => Array.from({ length: weights[i]! }, () => row))
  const [platt, expected] = [fitPlatt(weighted), fitPlatt(copies)]
  near(platt.a, expected.a, 1e-9, 'a')
  near(platt.b, expected.b, 1e-9, 'b')
  const [isotonic, steps] = [fitIsotonic(weighted), fitIsotonic(copies)]
  for (const p of [0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1]) near(calibrate(isotonic, p), calibrate(steps, p), 1e-12, `${p}`) // prettier-ignore
  const half = fitIsotonic([{ score: 0.5, correct: true }, { score: 0.5, correct: false, weight: 1 }]) // prettier-ignore
  assert.equal(calibrate(half, 0.5), 0.5)
  // A row of weight 0 is none, whatever its score.
  assert.deepEqual(fitIsotonic([...copies, { score: 2, correct: false, weight: 0 }]), steps)
})

test('nothing weighed has no figures, and answers of one kind no AUC', () => {
  const rows = [
    { score: 0.25, correct: true },
    { score: 0.75, correct: true },
  ]
  assert.deepEqual(metricsOf(rows, () => 0, 4), { auc: null, accuracy: null, ece: null, brier: null }) // prettier-ignore
  // Each bin is off by what its score lacks to 1: (0.75 + 0.25) / 2; squared (0.5625 + 0.0625) / 2.
  assert.deepEqual(metricsOf(rows, () => 1, 4), { auc: null, accuracy: 0.5, ece: 0.5, brier: 0.3125 }) // prettier-ignore
  const wrong = rows.map(({ score }) => ({ score, correct: false }))
  assert.deepEqual(metricsOf(wrong, () => 1, 4), { auc: null, accuracy: 0.5, ece: 0.5, brier: 0.3125 }) // prettier-ignore
  const report = calibrationReport(rows, [0.25, 0.75], [Uint16Array.of(1, 1)], 4)
  assert.equal(report.auc, null)
})

test('calibrations keep the order, stay within [0, 1] and bear certainty', () => {
  for (const known of fixture.cases) {
    for (const map of [fitPlatt(rowsOf(known)), fitIsotonic(rowsOf(known))]) {
      let before = -1
      for (const p of [0, 1e-300, 1e-9, 0.01, 0.3, 0.5, 0.500001, 0.9, 1 - 1e-16, 1]) {
        const calibrated = calibrate(map, p)
        assert.ok(calibrated >= before && calibrated <= 1, `${map.method} of ${p}: ${calibrated} after ${before}`)
        before = calibrated
      }
    }
  }
})

test('a judge that is wrong the wrong way round is flattened, never turned around', () => {
  const rows = Array.from({ length: 40 }, (_, i) => ({ score: i / 40, correct: i < 20 }))
  const platt = fitPlatt(rows)
  assert.deepEqual([platt.a, Math.abs(platt.b) < 1e-9], [0, true])
  const isotonic = fitIsotonic(rows)
  assert.equal(calibrate(isotonic, 0.1), calibrate(isotonic, 0.9))
})

test("Krippendorff's alpha is that of PyPI krippendorff; nothing is said of ratings that never differ", () => {
  near(krippendorffAlpha(fixture.ratings), fixture.alpha, 1e-12, 'alpha')
  assert.equal(krippendorffAlpha([[0.5, 0.5], [0.5, 0.5]]), null) // prettier-ignore
  assert.equal(krippendorffAlpha([[0.1, 0.9]]), null)
})

test("quantiles are R's and NumPy's default", () => {
  // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 0.975, 1])
  const values = [0, 0.1, 0.5, 0.975, 1].map((q) => quantile([1, 2, 4, 8], q))
  values.forEach((value, i) => near(value, [1, 1.3, 3, 7.7, 8][i]!, 1e-12, 'quantile'))
})

/** Answers that are right as often as a judge says, but whose probabilities are pushed towards the ends. */
function overconfident(questions: number, each: number): GradedAnswer[] {
  const rng = new SeededRng(11)
  return Array.from({ length: questions * each }, (_, i) => {
    const p = rng.uniform()
    const odds = (p / (1 - p)) ** 3
    return { score: odds / (1 + odds), correct: rng.uniform() < p, question: `q${i % questions}` }
  })
}

const options = { folds: 5, bins: 10, bootstrap: 200, seed: 3 }

test('a study: both methods mend an overconfident judge on held-out questions, and find the map that does', () => {
  const { before, methods, maps } = calibrationStudy(overconfident(300, 4), options)
  assert.ok(maps.platt.method === 'platt')
  near(maps.platt.a, 1 / 3, 0.05, 'the slope that undoes cubed odds')
  near(maps.platt.b, 0, 0.15, 'no shift')
  for (const after of Object.values(methods)) {
    assert.ok(after.ece!.value < before.ece!.value / 2, 'less calibration error')
    assert.ok(after.brier!.high < before.brier!.value, 'a better Brier score, beyond doubt')
    near(after.auc!.value, before.auc!.value, 0.02, 'the order stays')
  }
  for (const { auc, accuracy, brier } of [before, ...Object.values(methods)]) {
    for (const metric of [auc, accuracy, brier]) assert.ok(metric!.low < metric!.value && metric!.value < metric!.high)
  }
})

test('a study is the same for the same seed, and its intervals widen where answers share questions', () => {
  const rows = overconfident(300, 4)
  assert.deepEqual(calibrationStudy(rows, options), calibrationStudy(rows, options))
  // The same answer four times is one answer.
  const single = overconfident(300, 1)
  const width = (answers: GradedAnswer[]) => {
    const { low, high } = calibrationStudy(answers, options).before.brier!
    return high - low
  }
  const repeated = single.flatMap((row) => [row, row, row, row])
  near(width(repeated) / width(single), 1, 1e-9, 'four copies of a question tell nothing new')
  const apart = repeated.map((row, i) => ({ ...row, question: `${i}` }))
  assert.ok(width(apart) < 0.7 * width(single), 'as independent rows they would')
})

test('each fold is judged by the map of the others: figures by hand', () => {
  // One question's answers run against their scores, the other's with them. Either map says the opposite of its own.
  const rows = [
    { score: 0.2, correct: true, question: 'against' },
    { score: 0.8, correct: false, question: 'against' },
    { score: 0.4, correct: false, question: 'with' },
    { score: 0.6, correct: true, question: 'with' },
  ]
  const { methods } = calibrationStudy(rows, { ...options, folds: 2 })
  // Isotonic of `with` gives 0 to 0.2 and 1 to 0.8, both wrong; of `against` 0.5 to all.
  near(methods.isotonic.brier!.value, (1 + 1 + 0.25 + 0.25) / 4, 1e-12, 'isotonic')
  // Platt's of `against` is flat too: a = 0 and b = 0. That of `with` has targets 2/3 and 1/3, met exactly by the slope
  // ln 2 / logit(0.6), so 0.8 becomes the odds 4^(ln 2 / ln 1.5).
  const odds = 4 ** (Math.LN2 / Math.log(1.5))
  near(methods.platt.brier!.value, (2 * (odds / (1 + odds)) ** 2 + 0.25 + 0.25) / 4, 1e-9, 'platt')
})

test('of three folds two teach: a question left out at a time, by hand', () => {
  const rows = overconfident(3, 40)
  const { methods } = calibrationStudy(rows, { ...options, folds: 3, bootstrap: 2 })
  for (const [method, fit] of Object.entries({ platt: fitPlatt, isotonic: fitIsotonic })) {
    const squares = rows.map(({ score, correct, question }) => {
      const map = fit(rows.filter((other) => other.question !== question))
      return (calibrate(map, score) - Number(correct)) ** 2
    })
    const brier = squares.reduce((sum, square) => sum + square, 0) / rows.length
    near(methods[method as 'platt' | 'isotonic'].brier!.value, brier, 1e-12, method)
  }
})

test('a study needs right and wrong answers outside each fold', () => {
  const rows = [1, 2, 3].flatMap((i) => [{ score: 0.5, correct: i === 1, question: `q${i}` }])
  assert.throws(() => calibrationStudy(rows, { ...options, folds: 3 }), RangeError)
})
