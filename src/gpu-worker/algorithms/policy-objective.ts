import type { KlEstimatorName } from '../../core/rl/kl.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'

/** How the ratio of new to old probability is bounded. */
export interface PolicyBounds {
  ratio: 'token' | 'sequence'
  clip: 'objective' | 'weight'
  clip_low: number
  clip_high: number
  /** 0: none. */
  dual_clip: number
}

/** Stands for "no floor": no objective lies as low as this times its advantage. */
const NO_FLOOR = 1e30

/** The settings of the policy losses. `kl`: the estimator and weight of a KL in the loss; null where there is none. */
export function policySettings(
  { ratio, clip_low, clip_high, dual_clip }: PolicyBounds,
  kl: { estimator: KlEstimatorName; coefficient: number } | null,
): Record<string, number> {
  return {
    sequence_ratio: ratio === 'sequence' ? 1 : 0,
    ratio_low: 1 - clip_low,
    ratio_high: 1 + clip_high,
    dual_clip: dual_clip || NO_FLOOR,
    k2: kl?.estimator === 'k2' ? kl.coefficient : 0,
    k3: kl?.estimator === 'k3' ? kl.coefficient : 0,
  }
}

/** What is raised: as the losses take it (losses/index.ts), and the bounds that its metrics are counted by. */
export interface PolicyObjective {
  bounds: PolicyBounds
  settings: Record<string, number>
}

/** @param beta weight of the KL in this step, where it is a part of the loss */
export function groupRelativeObjective(config: LeasedSpec<'grpo'>['config'], beta: number): PolicyObjective {
  const kl = config.kl_in === 'loss' ? { estimator: config.kl_estimator, coefficient: beta } : null
  return { bounds: config, settings: policySettings(config, kl) }
}

/** PPO's: one ratio a token, and values that are clipped like the policy. The KL is taken off the reward. */
export function actorCriticObjective(config: LeasedSpec<'ppo'>['config']): PolicyObjective {
  const bounds = { ...config, ratio: 'token', clip: 'objective' } as const
  const values = { value_weight: config.value_coefficient, value_clip: config.value_clip }
  return { bounds, settings: { ...policySettings(bounds, null), ...values } }
}
