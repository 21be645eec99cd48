import { importanceWeights } from '../../core/rl/importance.ts'
import { KL_ESTIMATORS, type KlEstimatorName } from '../../core/rl/kl.ts'
import { mean } from '../../core/stats/moments.ts'
import type { Row } from '../training/batch.ts'
import type { PolicyScorer } from '../training/policy-scorer.ts'
import type { Reference } from './reference.ts'
import type { Rollout } from './reinforcement.ts'

/** A rollout with the log-probabilities that its update needs; one number a token of the completion. */
export interface ScoredRollout extends Rollout {
  row: Row
  /** Under the policy before the step, as the trainer has it. */
  old: ArrayLike<number>
  /** Under the reference; `old` where there is none. */
  reference: ArrayLike<number>
  /** The estimate of the KL to the reference. */
  kl: Float64Array
  /** Weights from sampler to trainer, all 1 where the two are taken to be the same. */
  importance: Float64Array
  /** Values of the text before each token, where the policy has a value head. */
  values: Float32Array
}

interface ScoringConfig {
  temperature: number
  importance_cap: number
  kl_estimator: KlEstimatorName
}

/**
 * Asks policy and reference for what the rollouts' updates need.
 * @param policy null where the sampler's own log-probabilities will do and there is no value head
 */
export async function scoreRollouts(
  rollouts: readonly Rollout[],
  { policy, reference }: { policy: PolicyScorer | null; reference: Reference | null },
  config: ScoringConfig,
  { microBatchTokens }: { microBatchTokens: number },
): Promise<ScoredRollout[]> {
  const rows = rollouts.map(({ prompt, completion }): Row => ({
    ids: [...prompt.ids, ...completion.ids],
    start: prompt.ids.length,
  }))
  const options = { temperature: config.temperature, microBatchTokens }
  const now = await policy?.score(rows, options)
  const held = await reference?.scorer.score(rows, options)
  const estimate = KL_ESTIMATORS[config.kl_estimator]
  return rollouts.map((rollout, i) => {
    const sampled = rollout.completion.logprobs
    const old = config.importance_cap > 0 ? now!.logprobs[i]! : sampled
    const ref = held?.logprobs[i] ?? old
    return {
      ...rollout,
      row: rows[i]!,
      old,
      reference: ref,
      kl: Float64Array.from(old, (logprob, t) => estimate(logprob, ref[t]!)),
      importance: importanceWeights(old, sampled, config.importance_cap || 1),
      values: now?.values[i] ?? new Float32Array(),
    }
  })
}

/** The advantages of a row's tokens, each times its weight from sampler to trainer. */
export function weighedAdvantage(advantage: number | ArrayLike<number>, importance: Float64Array): Float64Array {
  return importance.map((weight, t) => weight * (typeof advantage === 'number' ? advantage : advantage[t]!))
}

/** Means over the tokens of a step: the KL to the reference, and the weights from sampler to trainer. */
export function scoringMetrics(rollouts: readonly ScoredRollout[], importanceCap: number) {
  const all = (of: (rollout: ScoredRollout) => Float64Array) => rollouts.flatMap((rollout) => Array.from(of(rollout)))
  const weights = importanceCap > 0 ? all((r) => r.importance) : []
  return {
    kl: mean(all((r) => r.kl)),
    'importance/mean': mean(weights),
    'importance/capped': weights.length ? weights.filter((w) => w >= importanceCap).length / weights.length : null,
  }
}
