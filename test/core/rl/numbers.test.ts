import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupAdvantages } from '../../../src/core/rl/advantages.ts'
import { KL_ESTIMATORS } from '../../../src/core/rl/kl.ts'
import { learningRateAt } from '../../../src/core/rl/schedules.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../../src/core/rl/shuffle.ts'
import { AGGREGATES } from '../../../src/core/rl/token-weights.ts'

const near = (actual: number, expected: number, within = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`)

test('advantages: mean 0, and the closed form for 1, 0, 0, 0 (std with n − 1 is 1/2)', () => {
  const { advantages, zeroSpread } = groupAdvantages([1, 0, 0, 0], 4, 0)
  assert.deepEqual([...advantages], [1.5, -0.5, -0.5, -0.5])
  assert.deepEqual(zeroSpread, [false])
})

test('advantages: epsilon widens the divisor, groups are apart', () => {
  const { advantages } = groupAdvantages([1, 0, 0, 0, 10, 0, 0, 0], 4, 0.5)
  near(advantages[0], 0.75)
  near(advantages[4], 7.5 / 5.5)
})

test('advantages: a null neither learns nor counts', () => {
  const { advantages, zeroSpread } = groupAdvantages([1, null, 0, null, 0, 0], 6, 0.1)
  const without = groupAdvantages([1, 0, 0, 0], 4, 0.1)
  assert.deepEqual(
    [...advantages],
    [without.advantages[0], 0, without.advantages[1], 0, ...without.advantages.slice(2)],
  )
  assert.deepEqual(zeroSpread, [false])
})

test('advantages: groups without spread are flagged and silent', () => {
  const rewards = [0.3, 0.3, 0.3, null, null, null, null, null, 1, 1, null, 0]
  const { advantages, zeroSpread } = groupAdvantages(rewards, 4, 1e-4)
  assert.deepEqual(zeroSpread, [true, true, false])
  assert.ok(advantages.slice(0, 8).every((advantage) => advantage === 0))
  assert.deepEqual(groupAdvantages([5, null], 2, 0).zeroSpread, [true])
})

test('advantages: refuse broken groups and broken rewards', () => {
  assert.throws(() => groupAdvantages([1, 2, 3], 2, 0), /3 rewards are not whole groups of 2/)
  assert.throws(() => groupAdvantages([1, NaN], 2, 0), /reward 1 is NaN/)
})

test('token mean: all tokens alike, the weights of a batch sum to 1', () => {
  const counts = [3, 0, 7]
  const weights = AGGREGATES.token_mean(counts)
  assert.deepEqual(weights, [0.1, 0, 0.1])
  assert.deepEqual(AGGREGATES.token_mean([0, 0]), [0, 0])
})

test('KL estimators: the expectation of k1 and k3 under the policy is the KL divergence', () => {
  const policy = [0.5, 0.3, 0.2]
  const reference = [0.2, 0.3, 0.5]
  const expectation = (name: keyof typeof KL_ESTIMATORS) =>
    policy.reduce((sum, p, i) => sum + p * KL_ESTIMATORS[name](Math.log(p), Math.log(reference[i])), 0)
  const kl = 0.5 * Math.log(0.5 / 0.2) + 0.2 * Math.log(0.2 / 0.5)
  near(expectation('k1'), kl)
  near(expectation('k3'), kl)
  near(expectation('k2'), 0.5 * (0.5 + 0.2) * Math.log(2.5) ** 2)
})

test('KL estimators: k3 keeps its digits where the policies nearly agree', () => {
  near(KL_ESTIMATORS.k3(-1, -1 + 1e-6) / 0.5e-12, 1, 1e-3)
  assert.equal(KL_ESTIMATORS.k3(-2, -2), 0)
})

test('schedules: warm-up, then each decay', () => {
  const rate = (schedule: 'constant' | 'linear' | 'cosine', step: number) =>
    learningRateAt(step, { schedule, peak: 2, warmupSteps: 4, totalSteps: 14 })
  assert.deepEqual(
    [0, 1, 2, 3].map((step) => rate('cosine', step)),
    [0.5, 1, 1.5, 2],
  )
  assert.deepEqual(
    [4, 9, 13].map((step) => rate('constant', step)),
    [2, 2, 2],
  )
  near(rate('linear', 4), 2)
  near(rate('linear', 9), 1)
  near(rate('linear', 13), 0.2)
  near(rate('cosine', 9), 1)
  near(rate('cosine', 13), 1 + Math.cos(0.9 * Math.PI))
  assert.equal(rate('linear', 99), 0)
  assert.equal(learningRateAt(0, { schedule: 'linear', peak: 1, warmupSteps: 0, totalSteps: 0 }), 1)
})

test('shuffle: all 24 orders of 4 come equally often', () => {
  const rng = new SeededRng(5)
  const counts = new Map<string, number>()
  for (let i = 0; i < 24_000; i++) {
    const order = shuffledIndices(4, rng).join()
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  assert.equal(counts.size, 24)
  const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
  assert.ok(chi2 < 50, `χ² ${chi2} with 23 degrees of freedom`)
})
