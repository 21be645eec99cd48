import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jobSpec, type LeasedSpec } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import {
  actorCriticObjective,
  groupRelativeObjective,
  policySettings,
} from '../../../src/gpu-worker/algorithms/policy-objective.ts'
import { job } from '../../helpers/small-jobs.ts'

const BOUNDS = { ratio: 'token', clip: 'objective', clip_low: 0.25, clip_high: 0.5, dual_clip: 0 } as const
const configOf = <T extends 'grpo' | 'ppo'>(type: T, config: object) =>
  (parse(jobSpec, job(type, config)) as LeasedSpec<T>).config

describe('policySettings', () => {
  test('turn the clips into bounds of the ratio', () => {
    assert.deepEqual(policySettings(BOUNDS, null), {
      ...{ sequence_ratio: 0, ratio_low: 0.75, ratio_high: 1.5, dual_clip: 1e30, k2: 0, k3: 0 },
    })
    const other = policySettings({ ...BOUNDS, ratio: 'sequence', dual_clip: 3 }, null)
    assert.deepEqual([other.sequence_ratio, other.dual_clip], [1, 3])
  })

  test('give the KL of the loss to its estimator and to no other', () => {
    const weights = (estimator: 'k1' | 'k2' | 'k3') => {
      const { k2, k3 } = policySettings(BOUNDS, { estimator, coefficient: 0.125 })
      return [k2, k3]
    }
    assert.deepEqual(
      [weights('k1'), weights('k2'), weights('k3')],
      [
        [0, 0],
        [0.125, 0],
        [0, 0.125],
      ],
    )
  })
})

test('a group-relative objective holds the KL of the step where that is in the loss', () => {
  const config = configOf('grpo', { kl_coefficient: 0.5, kl_in: 'loss', kl_estimator: 'k2', clip_low: 0.25 })
  const { bounds, settings } = groupRelativeObjective(config, 0.125)
  assert.deepEqual([settings.k2, settings.k3, settings.ratio_low, bounds.clip_low], [0.125, 0, 0.75, 0.25])
  const inReward = groupRelativeObjective({ ...config, kl_in: 'reward' }, 0.125)
  assert.deepEqual([inReward.settings.k2, inReward.settings.k3], [0, 0])
})

test("PPO's objective has one ratio a token, bounds as configured, the value loss's weight and clip, and no KL", () => {
  const config = configOf('ppo', { clip_low: 0.25, clip_high: 0.5, dual_clip: 3, value_coefficient: 2, value_clip: 0.75, kl_coefficient: 1, kl_estimator: 'k3' }) // prettier-ignore
  const { bounds, settings } = actorCriticObjective(config)
  assert.deepEqual(settings, {
    ...{ sequence_ratio: 0, ratio_low: 0.75, ratio_high: 1.5, dual_clip: 3, k2: 0, k3: 0 },
    ...{ value_weight: 2, value_clip: 0.75 },
  })
  assert.deepEqual([bounds.ratio, bounds.clip, bounds.clip_low, bounds.clip_high], ['token', 'objective', 0.25, 0.5])
})
