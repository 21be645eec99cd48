import { gae } from '../../core/rl/gae.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import { AGGREGATES } from '../../core/rl/token-weights.ts'
import { whitened } from '../../core/rl/whiten.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { mean } from '../../core/stats/moments.ts'
import { PolicyScorer } from '../training/policy-scorer.ts'
import { VALUE_HEAD } from '../training/value-head.ts'
import { scoreRollouts, scoringMetrics, weighedAdvantage } from './policy-rows.ts'
import { policySettings, updatePolicy, type PolicyRow } from './policy-updates.ts'
import { startReinforcement } from './reinforcement.ts'
import { known, rolloutMetrics, stopwatch } from './rollout-metrics.ts'
import type { RunContext } from './run-context.ts'

/**
 * Proximal policy optimisation (arXiv 1707.06347) on labelled and unlabelled prompts together, as the paper and ReFT
 * (arXiv 2401.08967) have it: a value head beside the policy's own, the KL to the first model taken off the reward token
 * by token, advantages by GAE and whitened, several passes in minibatches with policy and values clipped.
 */
export async function ppo(spec: LeasedSpec<'ppo'>, context: RunContext) {
  const { config } = spec
  const rl = await startReinforcement(spec, context, { loss: 'policy-value', valueHead: true })
  const { run, stream, reference } = rl
  const policy = await PolicyScorer.create(run, config.max_prompt_tokens + config.max_new_tokens, context)
  const bounds = { ...config, ratio: 'token', clip: 'objective' } as const

  for (let step = rl.firstStep; step <= config.steps && !rl.stopped(); step++) {
    // Rollouts and their rewards
    const { lap, seconds } = stopwatch(context.clock)
    const rollouts = await rl.rollOut(step, stream.take(stream.quota), `${config.seed}/rollout/${step}`, lap)

    // Advantages: the reward comes with the last token, the KL with each. What has no score teaches nothing.
    const scored = await scoreRollouts(
      rollouts.filter(({ score }) => score !== null),
      { policy, reference },
      config,
      run.plan,
    )
    const kl = rl.klCoefficient()
    const estimates = scored.map(({ score, kl: divergences, values }) => {
      const rewards = divergences.map((divergence) => -kl * divergence)
      rewards[rewards.length - 1]! += score!
      return gae(rewards, values, { gamma: config.gamma, lambda: config.gae_lambda })
    })
    const advantages = whitened(estimates.map((estimate) => estimate.advantages))
    const masked = scored.map((r) => config.overlong_mask && r.completion.finish === 'length')
    const counts = scored.map(({ completion }, i) => (masked[i] ? 0 : completion.ids.length))
    const weights = AGGREGATES.token_mean(counts, config.max_new_tokens)
    const rows = scored.flatMap(({ prompt, row, old, reference, importance, values }, i): PolicyRow[] => {
      if (masked[i]) return []
      const advantage = weighedAdvantage(advantages[i]!, importance)
      const perToken = { old, reference, advantage, old_value: values, return: estimates[i]!.returns }
      return [{ ...row, prompt, weight: weights[i]!, perToken }]
    })

    // Updates
    const rateOf = (peak: number) => learningRateAt(step - 1, { ...run.schedule, peak })
    const [rate, valueRate] = [rateOf(config.learning_rate), rateOf(config.value_learning_rate)]
    const { value_loss, ...updates } = await updatePolicy(run.trainer, rows, {
      step,
      seed: config.seed,
      epochs: config.epochs,
      minibatches: config.minibatches,
      temperature: config.temperature,
      microBatchTokens: run.plan.microBatchTokens,
      bounds,
      settings: {
        ...policySettings(bounds, null),
        value_weight: config.value_coefficient,
        value_clip: config.value_clip,
      },
      learningRate: (name) => (name.startsWith(`${VALUE_HEAD}.`) ? valueRate : rate),
    })
    lap('update')

    const { kl: divergence, ...scoring } = scoringMetrics(scored, config.importance_cap)
    const returns = estimates.flatMap((estimate) => Array.from(estimate.returns))
    const values = scored.flatMap((r) => Array.from(r.values))
    await rl.endStep(
      step,
      rollouts,
      {
        ...rolloutMetrics(rollouts),
        ...known({ ...scoring, ...(reference && { kl: divergence, kl_coefficient: kl }) }),
        ...updates,
        'value/loss': value_loss,
        ...known({ 'value/mean': mean(values), 'value/explained': explained(returns, values) }),
        learning_rate: rate,
        ...seconds,
      },
      reference && divergence,
    )
  }
  return rl.result()
}

/** Share of the returns' variance that the values foresaw: 1 all of it, 0 none, below 0 less than none. */
function explained(returns: readonly number[], values: readonly number[]): number | null {
  const variance = (numbers: readonly number[]) => {
    const middle = mean(numbers)!
    return numbers.reduce((sum, x) => sum + (x - middle) ** 2, 0)
  }
  const total = returns.length ? variance(returns) : 0
  return total > 0 ? 1 - variance(returns.map((r, i) => r - values[i]!)) / total : null
}
