import { mean, squaredDeviations } from '../../core/moments.ts'
import { actorCriticRows, type ValueRow } from '../../core/rl/policy-rows.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { VALUE_HEAD } from '../training/value-head.ts'
import { actorCriticObjective } from './policy-objective.ts'
import type { Rollout } from './roll-out.ts'
import { known, rolloutMetrics, stopwatch } from './rollout-metrics.ts'
import type { RunContext } from './run-context.ts'
import type { PolicyRollout } from './score-rollouts.ts'
import { startReinforcement } from './start-reinforcement.ts'

/**
 * Proximal policy optimisation (arXiv 1707.06347) on labelled and unlabelled prompts together, as the paper and ReFT
 * (arXiv 2401.08967) have it: a value head beside the policy's own, the KL to the first model taken off the reward token
 * by token, advantages by GAE and whitened, several passes in minibatches with policy and values clipped.
 */
export async function ppo(spec: LeasedSpec<'ppo'>, context: RunContext) {
  const rl = await startReinforcement(spec, context, { loss: 'policy-value', valueHead: true })
  const { config, stream } = rl
  const objective = actorCriticObjective(config)

  for (let step = rl.firstStep; step <= config.steps && !rl.stopped(); step++) {
    // Rollouts and their rewards
    const { lap, seconds } = stopwatch(context.clock)
    const rollouts = await rl.rollOut(step, stream.take(stream.quota), `${config.seed}/rollout/${step}`, lap)

    // Advantages: the reward comes with the last token, the KL with each. What has no score teaches nothing.
    const scored = await rl.score(rollouts.filter(hasScore))
    const rows = actorCriticRows(scored, config, rl.klCoefficient())

    // Updates
    const rate = rl.learningRate(step)
    const valueRate = rl.learningRate(step, config.value_learning_rate)
    const rateOf = (name: string) => (name.startsWith(`${VALUE_HEAD}.`) ? valueRate : rate)
    const { value_loss, ...updates } = await rl.update(step, rows, objective, rateOf)
    lap('update')

    await rl.endStep(step, rollouts, {
      ...rolloutMetrics(rollouts),
      ...rl.scoringMetrics(scored),
      ...updates,
      'value/loss': value_loss,
      ...valueMetrics(rows),
      learning_rate: rate,
      ...seconds,
    })
  }
  return rl.result()
}

const hasScore = (rollout: Rollout): rollout is Rollout & { score: number } => rollout.score !== null

/** What the values before the step were, and the share of the returns' variance that they foresaw (1 all of it, 0 none). */
function valueMetrics(rows: readonly ValueRow<PolicyRollout>[]): Record<string, number> {
  const returns = rows.flatMap(({ return_T }) => Array.from(return_T))
  const values = rows.flatMap(({ rollout }) => Array.from(rollout.values_T))
  const [left, total] = [squaredDeviations(returns.map((r, i) => r - values[i]!)), squaredDeviations(returns)]
  return known({ 'value/mean': mean(values), 'value/explained': total > 0 ? 1 - left / total : null })
}
