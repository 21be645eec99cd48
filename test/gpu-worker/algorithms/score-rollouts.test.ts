import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KlEstimatorName } from '../../../src/core/rl/kl.ts'
import type { Reference } from '../../../src/gpu-worker/algorithms/reference.ts'
import type { Rollout } from '../../../src/gpu-worker/algorithms/roll-out.ts'
import { scoreRollouts, scoringMetrics } from '../../../src/gpu-worker/algorithms/score-rollouts.ts'
import type { PolicyScorer } from '../../../src/gpu-worker/training/policy-scorer.ts'
import { assertClose } from '../../helpers/close.ts'

const ROLLOUTS = [
  { prompt: { ids: [1, 2, 3] }, completion: { ids: [7, 8], logprobs: [-1, -2], finish: 'stop' }, score: 0.25 },
  { prompt: { ids: [4] }, completion: { ids: [9], logprobs: [-0.5], finish: 'length' }, score: null },
] as unknown as Rollout[]
const ROWS = [
  { ids: [1, 2, 3, 7, 8], start: 3 },
  { ids: [4, 9], start: 1 },
]
const [POLICY, REFERENCE] = [
  [[-1.5, -1], [-0.5]],
  [[-1, -1.5], [-0.25]],
] as const

/** Scores as told, and notes what it was asked. */
function scorer(logprobs: readonly (readonly number[])[], values: number[][] = []) {
  const asked: unknown[] = []
  const float32 = (rows: readonly (readonly number[])[]) => rows.map((row) => Float32Array.from(row))
  const score = async (...of: unknown[]) => (asked.push(of), { logprobs: float32(logprobs), values: float32(values) })
  return { asked, scorer: { score } as unknown as PolicyScorer }
}
const config = { temperature: 0.75, importance_cap: 2, kl_estimator: 'k1' as KlEstimatorName }
const plan = { microBatchTokens: 64 }
const reference = (of: PolicyScorer) => ({ scorer: of }) as unknown as Reference

describe('scoreRollouts', () => {
  test('asks policy and reference about prompt and completion, at the temperature that they were drawn at', async () => {
    const [policy, held] = [scorer(POLICY), scorer(REFERENCE)]
    await scoreRollouts(ROLLOUTS, { policy: policy.scorer, reference: reference(held.scorer) }, config, plan)
    const expected = [[ROWS, { temperature: 0.75, microBatchTokens: 64 }]]
    assert.deepEqual([policy.asked, held.asked], [expected, expected])
  })

  test('keeps what a rollout was and adds its row, the log-probabilities, the values and whether it was cut off', async () => {
    const policy = scorer(POLICY, [[0.5, 0.25], [0.125]]).scorer
    const asked = { policy, reference: reference(scorer(REFERENCE).scorer) }
    const [first, second] = await scoreRollouts(ROLLOUTS, asked, config, plan)
    assert.deepEqual([first!.completion, first!.score], [ROLLOUTS[0]!.completion, 0.25])
    assert.deepEqual([first!.row, second!.row], ROWS)
    assert.deepEqual([first!.truncated, second!.truncated], [false, true])
    assert.deepEqual([Array.from(first!.old_T), Array.from(second!.old_T)], POLICY)
    assert.deepEqual([Array.from(first!.reference_T), Array.from(second!.reference_T)], REFERENCE)
    assert.deepEqual([Array.from(first!.values_T), Array.from(second!.values_T)], [[0.5, 0.25], [0.125]])
  })

  test('estimates the KL to the reference token by token, each estimator its own way', async () => {
    const kl: Record<KlEstimatorName, number[]> = {
      k1: [-0.5, 0.5, -0.25],
      k2: [0.125, 0.125, 0.03125],
      k3: [Math.exp(0.5) - 1.5, Math.exp(-0.5) - 0.5, Math.exp(0.25) - 1.25],
    }
    for (const [name, expected] of Object.entries(kl)) {
      const asked = { policy: scorer(POLICY).scorer, reference: reference(scorer(REFERENCE).scorer) }
      const how = { ...config, kl_estimator: name as KlEstimatorName }
      const scored = await scoreRollouts(ROLLOUTS, asked, how, plan)
      assertClose(
        scored.flatMap(({ kl_T }) => [...kl_T]),
        expected,
        1e-12,
        name,
      )
    }
  })

  test('weighs each token by trainer over sampler, up to the cap', async () => {
    const asked = { policy: scorer(POLICY).scorer, reference: null }
    const scored = await scoreRollouts(ROLLOUTS, asked, config, plan)
    assertClose(
      scored.flatMap(({ importance_T }) => [...importance_T]),
      [Math.exp(-0.5), 2, 1],
      1e-12,
    )
  })

  test("without a cap the sampler's numbers stand for the policy's, even where it is asked for values", async () => {
    const asked = { policy: scorer(POLICY, [[0.5, 0.25], [0.125]]).scorer, reference: null }
    const [first, second] = await scoreRollouts(ROLLOUTS, asked, { ...config, importance_cap: 0 }, plan)
    assert.deepEqual([first!.old_T, second!.old_T], [[-1, -2], [-0.5]])
    assert.deepEqual([[...first!.importance_T], [...second!.importance_T]], [[1, 1], [1]])
    assert.deepEqual(Array.from(first!.values_T), [0.5, 0.25])
  })

  test('without a reference there is no divergence, without a policy there are no values', async () => {
    const how = { ...config, importance_cap: 0 }
    const [first] = await scoreRollouts(ROLLOUTS, { policy: null, reference: null }, how, plan)
    assert.deepEqual([first!.reference_T, [...first!.kl_T], first!.values_T.length], [[-1, -2], [0, 0], 0])
  })
})

describe('scoringMetrics', () => {
  const scored = [
    { kl_T: Float64Array.of(0.5, 0.25), importance_T: Float64Array.of(0.5, 2) },
    { kl_T: Float64Array.of(0), importance_T: Float64Array.of(1.25) },
  ] as unknown as Parameters<typeof scoringMetrics>[0]

  test('are means over tokens, not over rollouts', () => {
    const metrics = scoringMetrics(scored, 2)
    assert.deepEqual(metrics, { kl: 0.25, 'importance/mean': 1.25, 'importance/capped': 1 / 3 })
  })

  test('say nothing of weights that are not taken', () => {
    assert.deepEqual(scoringMetrics(scored, 0), { kl: 0.25, 'importance/mean': null, 'importance/capped': null })
  })
})
