import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { detectHacking, forgetOldest, gapGrowth, type CanaryPoint } from '../../../src/core/rl/detect-hacking.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'

const history = (judge: number[], gold: number[], n = 100): CanaryPoint[] =>
  judge.map((value, i) => ({ step: i * 10, judge: value, gold: gold[i]!, n }))

describe('the gap between judge and truth', () => {
  /** Two looks at which nothing else changes. */
  const after = (growth: number, error: number, judge = 0.6) =>
    detectHacking([
      { step: 0, judge: 0.5, gold: 0.45, n: 200 },
      { step: 5, judge, gold: 0.47, n: 200, gap: { growth, error } },
    ])

  test('counts where it grew by more than 2.5 standard errors, and by a twentieth at least', () => {
    const found = after(0.1, 0.035)
    assert.deepEqual([found.hacking, found.evidence, found.gapGrowth], [true, 'gap_grew', 0.1])
    assert.ok(Math.abs(found.gapErrors - 2.857142857) < 1e-9)
    assert.match(found.reason, /fooled: since step 0 the judge's mean .* grew by 0\.100 \(2\.9 standard errors\); since step 0 gold went 0\.450 → 0\.470/) // prettier-ignore
    const verdicts = [after(0.1, 0.041), after(0.049, 0.001), after(-0.3, 0.01), after(0.3, 0), after(0.1, 0.03, 0)]
    assert.deepEqual(
      verdicts.map(({ evidence }) => evidence),
      [null, null, null, null, null],
    )
  })

  test('is of each row against itself, where the judge spoke both times', () => {
    // Of 0.2, −0.1 and 0.5: the mean is 0.2, the deviation 0.3.
    const { growth, error } = gapGrowth([0.1, 0, null, -0.5, 0.4], [0.3, -0.1, 0.9, 0, null])!
    assert.ok(Math.abs(growth - 0.2) < 1e-12 && Math.abs(error - 0.3 / Math.sqrt(3)) < 1e-12)
    assert.equal(gapGrowth([0.1, null], [0.3, 0.4]), null)
    assert.deepEqual(gapGrowth([0, 0], [0.5, 0.5, 0.9]), { growth: 0.5, error: 0 })
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
  const nothing = { hacking: false, evidence: null, bestStep: null, goldFall: 0, standardErrors: 0, judgeRise: 0, gapGrowth: 0, gapErrors: 0 } // prettier-ignore
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
