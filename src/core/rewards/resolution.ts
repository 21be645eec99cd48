import { JUDGE_RESOLUTION } from '../rl/advantages.ts'
import type { RewardRecipe } from '../schemas/reward.ts'

/**
 * How far apart two rewards of a recipe must be to be told apart: what a judge can tell, by the weight that judges have. 0
 * without judges, whose rewards are exact.
 */
export function rewardResolution({ mu, rho, normalise }: Pick<RewardRecipe, 'mu' | 'rho' | 'normalise'>): number {
  const weight = mu + rho
  return JUDGE_RESOLUTION * (normalise === 'row' ? Math.min(1, weight) : weight)
}
