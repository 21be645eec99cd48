import { mean } from '../../core/moments.ts'
import { importanceWeights } from '../../core/rl/importance-weights.ts'
import { KL_ESTIMATORS, type KlEstimatorName } from '../../core/rl/kl.ts'
import type { ScoredRollout } from '../../core/rl/policy-rows.ts'
import type { Row } from '../training/batch.ts'
import type { PolicyScorer } from '../training/policy-scorer.ts'
import type { Reference } from './reference.ts'
import type { Rollout } from './roll-out.ts'

/** A rollout with all that its update needs; `_T`: one number a token of the completion. */
export interface PolicyRollout extends Rollout, ScoredRollout {
  row: Row
  /** Log-probabilities under the policy before the step, as the trainer has it. */
  old_T: ArrayLike<number>
  /** The same under the reference; `old_T` where there is none. */
  reference_T: ArrayLike<number>
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
export async function scoreRollouts<R extends Rollout>(
  rollouts: readonly R[],
  { policy, reference }: { policy: PolicyScorer | null; reference: Reference | null },
  config: ScoringConfig,
  { microBatchTokens }: { microBatchTokens: number },
): Promise<(R & PolicyRollout)[]> {
  const rows = rollouts.map(({ prompt, completion }): Row => ({
    ids: [...prompt.ids, ...completion.ids],
    start: prompt.ids.length,
  }))
  const options = { temperature: config.temperature, microBatchTokens }
  const now = await policy?.score(rows, options)
  const held = await reference?.scorer.score(rows, options)
  const estimate = KL_ESTIMATORS[config.kl_estimator]
  return rollouts.map((rollout, i) => {
    const sampled_T = rollout.completion.logprobs
    const old_T = config.importance_cap > 0 ? now!.logprobs[i]! : sampled_T
    const reference_T = held?.logprobs[i] ?? old_T
    return {
      ...rollout,
      row: rows[i]!,
      truncated: rollout.completion.finish === 'length',
      old_T,
      reference_T,
      kl_T: Float64Array.from(old_T, (logprob, t) => estimate(logprob, reference_T[t]!)),
      importance_T: importanceWeights(old_T, sampled_T, config.importance_cap || Infinity),
      values_T: now?.values[i] ?? new Float32Array(),
    }
  })
}

/** Means over the tokens of a step: the KL to the reference, and the weights from sampler to trainer. */
export function scoringMetrics(rollouts: readonly ScoredRollout[], importanceCap: number) {
  const all = (of: (rollout: ScoredRollout) => Float64Array) => rollouts.flatMap((rollout) => Array.from(of(rollout)))
  const weights = importanceCap > 0 ? all((r) => r.importance_T) : []
  return {
    kl: mean(all((r) => r.kl_T)),
    'importance/mean': mean(weights),
    'importance/capped': weights.length ? weights.filter((w) => w >= importanceCap).length / weights.length : null,
  }
}
