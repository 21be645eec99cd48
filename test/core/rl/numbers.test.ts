import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADVANTAGES, groupsWithoutSpread, type AdvantageName } from '../../../src/core/rl/advantages.ts'
import { AGGREGATES } from '../../../src/core/rl/aggregates.ts'
import { gae } from '../../../src/core/rl/gae.ts'
import { KL_ESTIMATORS } from '../../../src/core/rl/kl.ts'
import { overlongShare } from '../../../src/core/rl/overlong-share.ts'
import { PRESETS } from '../../../src/core/rl/presets.ts'
import { learningRateAt } from '../../../src/core/rl/schedules.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../../src/core/rl/shuffled-indices.ts'
import { whitened } from '../../../src/core/rl/whitened.ts'

const near = (actual: number, expected: number, within = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`)

const rowsOf = (rewards: readonly (number | null)[], tokenRewards: readonly number[][] = []) =>
  rewards.map((reward, i) => ({ reward, tokenRewards: tokenRewards[i] ?? [] }))
const of = (name: AdvantageName, rewards: readonly (number | null)[], groupSize: number, epsilon = 0) =>
  ADVANTAGES[name](rowsOf(rewards), { groupSize, epsilon })

test('advantages: the closed forms for 1, 0, 0, 0 (mean 1/4, std with n − 1 1/2)', () => {
  assert.deepEqual(of('group', [1, 0, 0, 0], 4), [1.5, -0.5, -0.5, -0.5])
  assert.deepEqual(of('group_mean', [1, 0, 0, 0], 4), [0.75, -0.25, -0.25, -0.25])
  // Of 1: the others' mean is 0. Of a 0: the others' is 1/3.
  of('leave_one_out', [1, 0, 0, 0], 4).forEach((a, i) => near(a as number, i ? -1 / 3 : 1))
})

test('advantages: epsilon widens the divisor; groups are apart, but for the scale of a batch', () => {
  const rewards = [1, 0, 0, 0, 10, 0, 0, 0]
  const advantages = of('group', rewards, 4, 0.5) as number[]
  near(advantages[0]!, 0.75)
  near(advantages[4]!, 7.5 / 5.5)
  const batch = of('batch', rewards, 4, 0.5) as number[]
  // Mean 11/8, Σ(r − mean)² = 101 − 121/8.
  const std = Math.sqrt((101 - 121 / 8) / 7)
  near(batch[0]!, 0.75 / (std + 0.5))
  near(batch[4]!, 7.5 / (std + 0.5))
})

test('advantages: a null neither learns nor counts', () => {
  for (const name of ['group', 'group_mean', 'leave_one_out', 'batch'] as const) {
    const [a, b, c, d] = of(name, [1, 0, 0, 0], 4, 0.1)
    assert.deepEqual(of(name, [1, null, 0, null, 0, 0], 6, 0.1), [a, 0, b, 0, c, d], name)
  }
  const rows = [...rowsOf([1, null, 0], [[0, 0], [9], [0]])]
  const [first, none, last] = ADVANTAGES.token_batch(rows, { groupSize: 1, epsilon: 0 })
  assert.equal(none, 0)
  // Over the tokens 1, 1, 0: mean 2/3, variance 1/3.
  near((first as Float64Array)[0]!, 1 / 3 / Math.sqrt(1 / 3 + 1e-8))
  near((last as Float64Array)[0]!, -2 / 3 / Math.sqrt(1 / 3 + 1e-8))
})

test('advantages: groups without spread are flagged and silent, whatever is taken off at their tokens', () => {
  const rewards = [0.3, 0.3, 0.3, null, null, null, null, null, 1, 1, null, 0]
  assert.deepEqual(groupsWithoutSpread(rewards, 4), [true, true, false])
  const taken = rewards.map((_, i) => [-0.01 * i])
  for (const name of ['group', 'group_mean', 'leave_one_out', 'batch'] as const) {
    const advantages = ADVANTAGES[name](rowsOf(rewards, taken), { groupSize: 4, epsilon: 1e-4 })
    assert.ok(advantages.slice(0, 8).every((advantage) => advantage === 0), name) // prettier-ignore
    assert.ok(advantages[8] !== 0)
  }
  assert.deepEqual(groupsWithoutSpread([5, null], 2), [true])
})

test('advantages: differences that no judge can tell are none, in every estimator', () => {
  const noise = [0, 1, 2].map((n) => 0.5 + n * 1e-7)
  const told = [0, 1, 2].map((n) => 0.5 + n * 1e-6)
  assert.deepEqual(groupsWithoutSpread([...noise, ...told, ...noise.map((r) => 1 - r)], 3), [true, false, true])
  assert.deepEqual(groupsWithoutSpread(noise, 3, 0), [false])
  for (const name of Object.keys(ADVANTAGES) as AdvantageName[]) {
    const numbers = (rewards: number[]) =>
      ADVANTAGES[name](rowsOf(rewards), { groupSize: 3, epsilon: 1e-10 }).map((a) =>
        typeof a === 'number' ? a : a[0]!,
      )
    assert.deepEqual(numbers(noise), [0, 0, 0], name)
    assert.ok(numbers(told)[2]! > 0, name)
  }
  // A batch of noise still tells what is taken off at the tokens.
  const taken = ADVANTAGES.token_batch(rowsOf(noise, [[0], [-1], [-2]]), { groupSize: 1, epsilon: 0 })
  near((taken[0] as Float64Array)[0]!, 1 / Math.sqrt(1 + 1e-8))
})

test('advantages: refuse broken groups and broken rewards', () => {
  assert.throws(() => groupsWithoutSpread([1, 2, 3], 2), /3 rewards are not whole groups of 2/)
  assert.throws(() => groupsWithoutSpread([1, NaN], 2), /reward 1 is NaN/)
  assert.throws(() => groupsWithoutSpread([-Infinity, 1], 2), {
    name: 'RangeError',
    message: 'reward 0 is -Infinity: a reward is finite, or null for no score',
  })
  for (const size of [0, 0.5, -1]) assert.throws(() => groupsWithoutSpread([1, 2], size), RangeError)
})

test('weights: of every aggregate, by hand; rows without tokens weigh nothing and do not count', () => {
  const counts = [3, 0, 7]
  assert.deepEqual(AGGREGATES.token_mean(counts, 20), [0.1, 0, 0.1])
  assert.deepEqual(AGGREGATES.sequence_mean(counts, 20), [1 / 6, 0, 1 / 14])
  assert.deepEqual(AGGREGATES.sequence_sum(counts, 20), [1 / 2, 0, 1 / 2])
  assert.deepEqual(AGGREGATES.constant(counts, 20), [1 / 40, 0, 1 / 40])
  for (const aggregate of Object.values(AGGREGATES)) assert.deepEqual(aggregate([0, 0], 20), [0, 0])
})

test('whitening: mean 0, deviation 1; equal numbers and a single one become 0', () => {
  const [a, b] = whitened([[1, 2], [3]])
  near(a![0]!, -1, 1e-7)
  near(b![0]!, 1, 1e-7)
  assert.deepEqual(whitened([[4, 4], [4]]).map((row) => [...row]), [[0, 0], [0]]) // prettier-ignore
  assert.deepEqual([...whitened([[7]])[0]!], [0])
})

test('GAE: λ 1 is the return less the value, λ 0 one step ahead', () => {
  const [rewards, values] = [
    [0, -1, 2],
    [0.5, 0.25, 1],
  ]
  const all = gae(rewards, values, { gamma: 0.5, lambda: 1 })
  // 0 + ½·(−1) + ¼·2 = 0; −1 + ½·2 = 0; 2.
  assert.deepEqual([...all.returns], [0, 0, 2])
  assert.deepEqual([...all.advantages], [-0.5, -0.25, 1])
  const next = gae(rewards, values, { gamma: 0.5, lambda: 0 })
  assert.deepEqual([...next.advantages], [0.5 * 0.25 - 0.5, -1 + 0.5 * 1 - 0.25, 2 - 1])
})

test('overlong: nothing before the buffer, then linearly more', () => {
  const at = (tokens: number) => overlongShare(tokens, { limit: 100, buffer: 20 })
  assert.deepEqual([10, 80, 85, 90, 100].map(at), [0, 0, 0.25, 0.5, 1])
  assert.equal(at(105), 1)
})

test('overlong without a buffer: nothing up to the limit, all of it past the limit', () => {
  const at = (tokens: number) => overlongShare(tokens, { limit: 100, buffer: 0 })
  assert.deepEqual([99, 100, 101, 200].map(at), [0, 0, 1, 1])
})

test('every preset names entries that there are', () => {
  for (const preset of Object.values(PRESETS)) {
    assert.ok(preset.advantage in ADVANTAGES && preset.aggregate in AGGREGATES && preset.kl_estimator in KL_ESTIMATORS)
  }
})

test('KL estimators: the expectation of k1 and k3 under the policy is the KL divergence', () => {
  const policy = [0.5, 0.3, 0.2]
  const reference = [0.2, 0.3, 0.5]
  const expectation = (name: keyof typeof KL_ESTIMATORS) =>
    policy.reduce((sum, p, i) => sum + p * KL_ESTIMATORS[name](Math.log(p), Math.log(reference[i]!)), 0)
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
