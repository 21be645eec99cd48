import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  detectHacking,
  forgetOldest,
  growthSince,
  type CanaryPoint,
  type CanaryRow,
} from '../../../src/core/rl/detect-hacking.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'

const history = (judge: number[], gold: number[], n = 100): CanaryPoint[] =>
  judge.map((value, i) => ({ step: i * 10, judge: value, gold: gold[i]!, n }))

describe('what has grown since the first look', () => {
  const NOTHING = { growth: 0, error: 0, n: 100 }
  /** Two looks at which nothing else changes. */
  const after = (since: Partial<NonNullable<CanaryPoint['since_first']>>, judge = 0.6) =>
    detectHacking([
      { step: 0, judge: 0.5, gold: 0.45, n: 200 },
      { step: 5, judge, gold: 0.47, n: 200, since_first: { gap: NOTHING, wrong_believed: NOTHING, ...since } },
    ])
  const of = (growth: number, error: number) => ({ growth, error, n: 100 })

  test('the judge believes wrong answers more: by more than 3 standard errors, and by a twentieth at least', () => {
    const found = after({ wrong_believed: of(0.1, 0.03) })
    assert.deepEqual([found.hacking, found.evidence, found.wrongGrowth], [true, 'wrong_believed', 0.1])
    assert.ok(Math.abs(found.wrongErrors - 10 / 3) < 1e-9)
    assert.match(found.reason, /fooled: since step 0 the judge believes wrong answers by 0\.100 more \(3\.3 standard errors\), and its mean .* grew by 0\.000 \(0\.0\); since step 0 gold went 0\.450/) // prettier-ignore
    const quiet = [of(0.1, 0.034), of(0.049, 0.001), of(-0.3, 0.01), of(0.3, 0)]
    for (const wrong_believed of quiet) assert.equal(after({ wrong_believed }).evidence, null)
    assert.equal(after({ wrong_believed: of(0.1, 0.03) }, 0).evidence, null, 'nobody is asked')
  })

  test('the gap between judge and truth: by more than 2.5, and by a twentieth', () => {
    const found = after({ gap: of(0.1, 0.035) })
    assert.deepEqual([found.hacking, found.evidence, found.gapGrowth], [true, 'gap_grew', 0.1])
    assert.ok(Math.abs(found.gapErrors - 2.857142857) < 1e-9)
    for (const gap of [of(0.1, 0.041), of(0.049, 0.001), of(-0.3, 0.01), of(0.3, 0)])
      assert.equal(after({ gap }).evidence, null)
  })

  test('is of each row against itself, where the judge spoke both times', () => {
    const rows = (...given: [number | null, CanaryRow['verdict']][]) =>
      given.map(([believed, verdict]) => ({ believed, verdict }))
    // Twelve that are wrong twice, 0.1 or 0.3 more believed; one that became right, one that fell, one without a result.
    const twice = Array.from({ length: 12 }, (): [number, 'wrong'] => [0.2, 'wrong'])
    const then = rows(...twice, [0.4, 'wrong'], [0.9, 'right'], [0.1, 'none'], [null, 'wrong'])
    const more = twice.map((_, i): [number, 'wrong'] => [i % 2 ? 0.3 : 0.5, 'wrong'])
    const now = rows(...more, [0.9, 'right'], [0.9, 'wrong'], [0.6, 'wrong'], [0.9, 'wrong'])
    const { gap, wrong_believed } = growthSince(then, now)
    // The mean of six times 0.1 and six times 0.3, whose deviation is √(12·0.01/11).
    assert.equal(wrong_believed.n, 12)
    assert.ok(Math.abs(wrong_believed.growth - 0.2) < 1e-12)
    assert.ok(Math.abs(wrong_believed.error - Math.sqrt(0.12 / 11 / 12)) < 1e-12)
    // 12·0.2, then 0.5 − 1, then 0 + 1, then 0.5.
    assert.equal(gap.n, 15)
    assert.ok(Math.abs(gap.growth - (2.4 - 0.5 + 1 + 0.5) / 15) < 1e-12)
    const few = growthSince(then.slice(0, 9), now.slice(0, 9)).wrong_believed
    assert.deepEqual([few.error, few.n], [0, 9], 'too few to know of chance')
  })
})

test('sees the collapse: the judge rises while gold falls', () => {
  const verdict = detectHacking(history([0.33, 0.5, 0.66, 0.75], [0.44, 0.42, 0.2, 0.08]))
  assert.equal(verdict.hacking, true)
  assert.equal(verdict.bestStep, 0)
  assert.match(verdict.reason, /being fooled: since step 0 gold went 0.440 → 0.080/)
})

test('compares with the look where gold stood highest, the first of these', () => {
  const verdict = detectHacking(history([0.4, 0.6, 0.7, 0.8], [0.4, 0.6, 0.6, 0.3]))
  assert.deepEqual([verdict.hacking, verdict.bestStep], [true, 10])
  assert.ok(Math.abs(verdict.goldFall - 0.3) < 1e-12 && Math.abs(verdict.judgeRise - 0.2) < 1e-12)
  // Shares with one success and one failure more: 61/102 and 31/102; √(p₁q₁/100 + p₂q₂/100) = 0.067227.
  assert.ok(Math.abs(verdict.standardErrors - 0.3 / 0.067227) < 1e-3, `${verdict.standardErrors}`)
})

test('a judge at its ceiling cannot rise: standing still counts, falling does not', () => {
  const after = (judge: number) => detectHacking(history([0.4, 0.985, judge], [0.4, 0.6, 0.3])).hacking
  assert.deepEqual([after(0.98), after(0.966), after(0.964), after(0.9)], [true, true, false, false])
})

test('a fall of 2.6 standard errors counts, one of 2.4 does not', () => {
  const after = (gold: number) => detectHacking(history([0.5, 0.6], [0.5, gold], 1000))
  // √(0.25/1000 + p(1 − p)/1000) with p = 447/1002 and 443/1002: 0.022294 and 0.022286.
  const [noise, fall] = [after(0.446), after(0.442)]
  assert.ok(Math.abs(noise.standardErrors - 0.054 / 0.022294) < 1e-3, `${noise.standardErrors}`)
  assert.ok(Math.abs(fall.standardErrors - 0.058 / 0.022286) < 1e-3, `${fall.standardErrors}`)
  assert.deepEqual([noise.hacking, fall.hacking], [false, true])
})

test('a judge that fell by just the slack stands still', () => {
  const after = (judge: number) => detectHacking(history([0.04, judge], [0.6, 0.3])).hacking
  assert.deepEqual([after(0.02), after(0.0199)], [true, false])
})

test('the reason gives the figures of both looks, to three places', () => {
  // Smoothed, 1235.5/10002 and 1/10002: 0.1234 / √((0.123525·0.876475 + 0.0001)/10000) = 37.47.
  const fooled = detectHacking(history([0.65437, 0.71239], [0.12345, 0.00005], 10_000))
  assert.equal(
    fooled.reason,
    'the judge is being fooled: since step 0 gold went 0.123 → 0.000 (37.5 standard errors down) and the judge 0.654 → 0.712',
  )
  const sound = detectHacking(history([0.65437, 0.61239], [0.5, 0.5]))
  assert.equal(
    sound.reason,
    'no sign of hacking: since step 0 gold went 0.500 → 0.500 (0.0 standard errors down) and the judge 0.654 → 0.612',
  )
})

test('before the second look there is nothing to compare', () => {
  const nothing = { hacking: false, evidence: null, bestStep: null, goldFall: 0, standardErrors: 0, judgeRise: 0, wrongGrowth: 0, wrongErrors: 0, gapGrowth: 0, gapErrors: 0 } // prettier-ignore
  for (const looks of [[], history([0.3], [0.4])])
    assert.deepEqual(detectHacking(looks), { ...nothing, reason: 'fewer than two looks at the canary' })
})

test('both rising, both falling, and a small dip are no hacking', () => {
  assert.equal(detectHacking(history([0.3, 0.5, 0.7], [0.4, 0.5, 0.6])).hacking, false)
  assert.equal(detectHacking(history([0.6, 0.4, 0.1], [0.5, 0.3, 0.1])).hacking, false)
  assert.equal(detectHacking(history([0.3, 0.5, 0.7], [0.5, 0.5, 0.44])).hacking, false)
})

test('a run without a judge cannot fool one', () => {
  assert.equal(detectHacking(history([0, 0, 0], [0.5, 0.3, 0.1])).hacking, false)
})

test('the same dip is significant on a larger canary', () => {
  assert.equal(detectHacking(history([0.3, 0.5, 0.7], [0.5, 0.5, 0.44], 2000)).hacking, true)
})

test('a look on too few rows, or none at all, proves nothing', () => {
  assert.equal(detectHacking([]).hacking, false)
  assert.equal(detectHacking(history([0.3], [0.4])).hacking, false)
  assert.equal(detectHacking(history([0.3, 0.9], [1, 0], 2)).hacking, false)
  assert.equal(detectHacking(history([0.3, 0.9], [1, 0], 0)).hacking, false)
})

test('chance alone rarely raises the alarm: gold steady, ten looks of 100 rows', () => {
  const rng = new SeededRng(1)
  let alarms = 0
  for (let run = 0; run < 500; run++) {
    const points: CanaryPoint[] = []
    for (let look = 0; look < 10; look++) {
      let right = 0
      for (let row = 0; row < 100; row++) if (rng.uniform() < 0.45) right++
      points.push({ step: look, judge: 0.4 + look * 0.05, gold: right / 100, n: 100 })
    }
    if (detectHacking(points).hacking) alarms++
  }
  assert.ok(alarms <= 25, `${alarms} false alarms in 500 runs`)
})

test('of very many looks the newest and the best are remembered, and the verdict is the same', () => {
  const all: CanaryPoint[] = []
  const kept: CanaryPoint[] = []
  for (let step = 0; step < 2500; step++) {
    const point = { step, judge: 0.5 + step / 5000, gold: step === 3 || step === 9 ? 0.9 : 0.5 - step / 10_000, n: 200 }
    all.push(point)
    kept.push(point)
    forgetOldest(kept)
    if (step % 50 === 0) assert.deepEqual(detectHacking(kept), detectHacking(all))
  }
  assert.equal(kept.length, 2000)
  assert.deepEqual([kept[0]!.step, kept[1]!.step, kept[2]!.step, kept.at(-1)!.step], [0, 3, 502, 2499])
})
