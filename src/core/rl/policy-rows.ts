/** From scored rollouts to what the trainer is given: pure arithmetic, shared by every reinforcement algorithm. */
import { ADVANTAGES } from './advantages.ts'
import { AGGREGATES, type AggregateName } from './aggregates.ts'
import { gae } from './gae.ts'
import type { PolicyChoices } from './presets.ts'
import { whitened } from './whitened.ts'

/** A rollout as its update is computed from; `_T`: one number a token of the completion. */
export interface ScoredRollout {
  /** The reward that is learned from; null where there is no score. */
  score: number | null
  /** Cut off at the longest completion. */
  truncated: boolean
  /** Estimates of the KL to the reference; zeros where there is none. */
  kl_T: Float64Array
  /** Weights from sampler to trainer, all 1 where the two are taken to be the same. */
  importance_T: Float64Array
  /** Values of the text before each token; empty where the policy has no value head. */
  values_T: ArrayLike<number>
}

/** What a rollout teaches. */
export interface PolicyRow<R> {
  rollout: R
  /** Of each of its tokens in the loss of the whole batch; 0 where it teaches nothing and is left out. */
  weight: number
  advantage_T: Float64Array
}
/** With a value head: also what its values should have been. */
export interface ValueRow<R> extends PolicyRow<R> {
  return_T: Float64Array
}

interface BatchConfig {
  /** Whether truncated rollouts are left out of the loss. */
  overlong_mask: boolean
  max_new_tokens: number
}
export interface GroupRelativeConfig extends BatchConfig, Pick<PolicyChoices, 'advantage' | 'aggregate' | 'kl_in'> {
  group_size: number
  advantage_epsilon: number
  /** Rewards no further apart are the same; what a judge can tell unless given. */
  resolution?: number
  /** That of the first step; 0 where there is no reference. */
  kl_coefficient: number
}
export interface ActorCriticConfig extends BatchConfig {
  gamma: number
  gae_lambda: number
}

/**
 * GRPO and its relatives (presets.ts): a rollout's advantage is its reward against its group's.
 * @param rollouts group after group
 * @param beta weight of the KL in this step
 */
export function groupRelativeRows<R extends ScoredRollout>(
  rollouts: readonly R[],
  config: GroupRelativeConfig,
  beta: number,
): PolicyRow<R>[] {
  const { advantage, kl_in, kl_coefficient, group_size: groupSize, advantage_epsilon: epsilon, resolution } = config
  const rewarded = rollouts.map(({ score, kl_T }) => ({
    reward: score,
    tokenRewards: kl_in === 'reward' ? kl_T.map((kl) => -beta * kl) : [],
  }))
  const advantages = ADVANTAGES[advantage](rewarded, {
    groupSize,
    epsilon,
    ...(resolution !== undefined && { resolution }),
  })
  // Without advantage there is no policy gradient: such a rollout is trained only where a KL in the loss holds it back.
  const heldBack = kl_in === 'loss' && kl_coefficient > 0
  const rows = rollouts.map((rollout, i) => ({ rollout, advantage: advantages[i]! }))
  return weighed(rows, config.aggregate, config).map(({ rollout, advantage, weight }) => ({
    rollout,
    weight: advantage === 0 && !heldBack ? 0 : weight,
    advantage_T: rollout.importance_T.map((w, t) => w * (typeof advantage === 'number' ? advantage : advantage[t]!)),
  }))
}

/**
 * PPO: the reward comes with the last token, −β·KL with each; advantages by GAE, whitened over the batch.
 * @param rollouts those that have a score
 * @param beta weight of the KL in this step
 */
export function actorCriticRows<R extends ScoredRollout & { score: number }>(
  rollouts: readonly R[],
  config: ActorCriticConfig,
  beta: number,
): ValueRow<R>[] {
  const estimates = rollouts.map(({ score, kl_T, values_T }) => {
    const rewards_T = kl_T.map((kl, t) => (t === kl_T.length - 1 ? -beta * kl + score : -beta * kl))
    return gae(rewards_T, values_T, { gamma: config.gamma, lambda: config.gae_lambda })
  })
  const advantages_BT = whitened(estimates.map(({ advantages }) => advantages))
  const rows = rollouts.map((rollout, i) => ({
    rollout,
    return_T: estimates[i]!.returns,
    advantage_T: rollout.importance_T.map((w, t) => w * advantages_BT[i]![t]!),
  }))
  return weighed(rows, 'token_mean', config)
}

/** Rows with the weight that each of their tokens has among those of all: 0 for what is masked, which does not count. */
function weighed<Row extends { rollout: ScoredRollout }>(
  rows: readonly Row[],
  aggregate: AggregateName,
  { overlong_mask, max_new_tokens }: BatchConfig,
): (Row & { weight: number })[] {
  const counts = rows.map(({ rollout }) => (overlong_mask && rollout.truncated ? 0 : rollout.kl_T.length))
  const weights = AGGREGATES[aggregate](counts, max_new_tokens)
  return rows.map((row, i) => ({ ...row, weight: weights[i]! }))
}
