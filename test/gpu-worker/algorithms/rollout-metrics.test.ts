import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RowReward } from '../../../src/core/rewards/reward-rows.ts'
import type { Graded } from '../../../src/core/stats/agreement.ts'
import type { Rollout } from '../../../src/gpu-worker/algorithms/roll-out.ts'
import {
  known,
  rolloutMetrics,
  samplesOf,
  share,
  stopwatch,
} from '../../../src/gpu-worker/algorithms/rollout-metrics.ts'
import { assertClose } from '../../helpers/close.ts'

const scored = (reward: number, terms: RowReward['terms'], reason?: 'gated'): RowReward =>
  reason ? { outcome: 'scored', reward, terms, reason } : { outcome: 'scored', reward, terms }
const unscored = (outcome: 'abstained' | 'failed', terms: RowReward['terms'] = {}): RowReward => ({
  outcome,
  reward: null,
  terms,
  reason: 'for the test',
})
const rollout = (
  reward: RowReward,
  logprobs: number[],
  finish: 'stop' | 'length' = 'stop',
  overlap: Graded | null = null,
  more: object = {},
) =>
  ({
    ...{ reward, overlap, prompt: { text: 'asked' }, item: { completion: 'said' } },
    ...{ completion: { ids: logprobs.map((_, i) => i), logprobs, finish }, ...more },
  }) as unknown as Rollout

const SEEN = [
  rollout(scored(0.9, { verifier: 1, judge: 0.75 }), [-0.5, -1.5], 'stop', { score: 0.75, correct: true }),
  rollout(scored(0.3, { judge: 0.25, reranker: 0.125 }), [-1, -1, -1, -1], 'length', { score: 0.25, correct: false }),
  rollout(scored(0, { gate: 'empty' } as RowReward['terms'], 'gated'), [-2]),
  rollout(unscored('abstained'), [-1, -2, -3], 'length'),
  rollout(unscored('abstained', { reranker: 0.375 }), [-1], 'length', { score: 0.875, correct: false }),
  rollout(unscored('failed', { verifier: 0, pseudo_label: '7' }), [-0.25, -0.25]),
  rollout(unscored('failed'), [-1]),
  rollout(unscored('failed'), [-1, -1]),
]

describe('rolloutMetrics', () => {
  test('are what the rollouts of a step come to, by hand', () => {
    const expected: Record<string, number> = {
      reward: 0.4,
      // Of 0.9, 0.3 and 0: what has no score does not count.
      'reward/std': Math.sqrt((0.25 + 0.01 + 0.16) / 2),
      'reward/judge': 0.5,
      'reward/reranker': 0.25,
      'reward/pseudo_labelled': 1 / 8,
      'reward/verifier': 0.5,
      'reward/gated': 1 / 8,
      'reward/abstained': 2 / 8,
      'reward/failed': 3 / 8,
      'overlap/correct': 1 / 3,
      // The right one stands above one wrong one and below the other.
      'overlap/judge_auc': 0.5,
      rollouts: 8,
      tokens: 16,
      completion_length: 2,
      truncated: 3 / 8,
      entropy: (2 + 4 + 2 + 6 + 1 + 0.5 + 1 + 2) / 16,
    }
    const metrics = rolloutMetrics(SEEN)
    assert.deepEqual(Object.keys(metrics), Object.keys(expected))
    for (const [name, value] of Object.entries(expected)) assertClose([metrics[name]!], [value], 1e-12, name)
  })

  test('leave out what no rollout tells', () => {
    const metrics = rolloutMetrics([rollout(scored(0.25, {}), [-1])])
    assert.deepEqual(metrics, {
      ...{ reward: 0.25, 'reward/gated': 0, 'reward/abstained': 0, 'reward/failed': 0 },
      ...{ rollouts: 1, tokens: 1, completion_length: 1, truncated: 0, entropy: 1 },
    })
  })
})

test('numbers that are not known are left out, zeros are not', () => {
  assert.deepEqual(known({ a: 0, b: null, c: -1 }), { a: 0, c: -1 })
})

test('a share of nothing is 0', () => {
  const isOdd = (n: number) => n % 2 === 1
  assert.deepEqual([share([1, 2, 3, 4, 5], isOdd), share([2], isOdd), share([], isOdd)], [0.6, 0, 0])
})

test('a stopwatch adds up, in seconds, what passed since the lap before', () => {
  let now = 5_000
  const { lap, seconds } = stopwatch({ now: () => now })
  now += 1_500
  lap('rollout')
  now += 250
  lap('reward')
  now += 2_000
  lap('rollout')
  assert.deepEqual(seconds, { 'seconds/rollout': 3.5, 'seconds/reward': 0.25 })
})

test('the first four rollouts of a step are kept for people, with what they were asked and what they earned', () => {
  const labelled = { prompt: { text: 'Q: 1 + 1?', answer: '2' }, item: { completion: ' 3' } }
  const first = rollout(scored(0.5, { judge: 0.5 }), [-1], 'stop', null, labelled)
  const samples = samplesOf(7, [first, ...SEEN])
  assert.deepEqual(samples[0], {
    ...{ step: 7, split: 'train', index: 0, prompt: 'Q: 1 + 1?', completion: ' 3', answer: '2', reward: 0.5 },
    terms: { judge: 0.5 },
  })
  assert.deepEqual(
    samples.map(({ index, reward, answer }) => [index, reward, answer]),
    [[0, 0.5, '2'], [1, 0.9, null], [2, 0.3, null], [3, 0, null]], // prettier-ignore
  )
})
