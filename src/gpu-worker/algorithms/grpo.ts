import { ADVANTAGES, groupsWithoutSpread } from '../../core/rl/advantages.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import { AGGREGATES } from '../../core/rl/token-weights.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { PolicyScorer } from '../training/policy-scorer.ts'
import { scoreRollouts, scoringMetrics, weighedAdvantage } from './policy-rows.ts'
import { policySettings, updatePolicy, type PolicyRow } from './policy-updates.ts'
import { startReinforcement, type Rollout } from './reinforcement.ts'
import { known, rolloutMetrics, share, stopwatch } from './rollout-metrics.ts'
import type { RunContext } from './run-context.ts'

const LOSSES = { objective: 'policy-clip', weight: 'policy-weight' } as const

/**
 * Group relative policy optimisation and its relatives (core/rl/presets.ts) on labelled and unlabelled prompts together:
 * each prompt is answered `group_size` times, an answer's advantage is its reward against the others', and the bounded
 * objective raises what did better.
 */
export async function grpo(spec: LeasedSpec<'grpo'>, context: RunContext) {
  const { config } = spec
  const rl = await startReinforcement(spec, context, { loss: LOSSES[config.clip] })
  const { run, stream, reference } = rl
  const capacity = config.max_prompt_tokens + config.max_new_tokens
  const policy = config.importance_cap > 0 ? await PolicyScorer.create(run, capacity, context) : null

  for (let step = rl.firstStep; step <= config.steps && !rl.stopped(); step++) {
    // Rollouts and their rewards. With dynamic sampling, groups without spread are replaced, in so many rounds at most.
    const { lap, seconds } = stopwatch(context.clock)
    const rollouts: Rollout[] = []
    const groups: { rollouts: Rollout[]; flat: boolean }[] = []
    let quota = stream.quota
    for (let round = 0; round <= config.dynamic_sampling && quota.labelled + quota.unlabelled > 0; round++) {
      const seed = `${config.seed}/rollout/${step}${round ? `/${round}` : ''}`
      const drawn = await rl.rollOut(step, stream.take(quota), seed, lap)
      rollouts.push(...drawn)
      groups.push(...inGroups(drawn, config.group_size))
      const spread = groups.filter((group) => !group.flat)
      quota = stream.missing(spread.map((group) => group.rollouts[0]!.prompt))
    }
    const kept = groups.filter((group) => !group.flat || config.dynamic_sampling === 0).flatMap((g) => g.rollouts)

    // Advantages, and the KL where it is taken off the reward
    const scored = await scoreRollouts(kept, { policy, reference }, config, run.plan)
    const kl = rl.klCoefficient()
    const advantages = ADVANTAGES[config.advantage](
      scored.map((r) => ({ reward: r.score, tokenRewards: config.kl_in === 'reward' ? r.kl.map((x) => -kl * x) : [] })),
      { groupSize: config.group_size, epsilon: config.advantage_epsilon },
    )

    // A row without advantage has no policy gradient; it is trained only where a KL in the loss holds it back.
    const inLoss = reference && config.kl_in === 'loss' ? { estimator: config.kl_estimator, coefficient: kl } : null
    const masked = scored.map((r) => config.overlong_mask && r.completion.finish === 'length')
    const counts = scored.map(({ completion }, i) => (masked[i] ? 0 : completion.ids.length))
    const weights = AGGREGATES[config.aggregate](counts, config.max_new_tokens)
    const rows = scored.flatMap(({ prompt, row, old, reference, importance }, i): PolicyRow[] =>
      masked[i] || (advantages[i] === 0 && !inLoss)
        ? []
        : [
            {
              ...row,
              prompt,
              weight: weights[i]!,
              perToken: { old, reference, advantage: weighedAdvantage(advantages[i]!, importance) },
            },
          ],
    )

    // Updates
    const rate = learningRateAt(step - 1, run.schedule)
    const { value_loss: _, ...updates } = await updatePolicy(run.trainer, rows, {
      step,
      seed: config.seed,
      epochs: config.epochs,
      minibatches: config.minibatches,
      temperature: config.temperature,
      microBatchTokens: run.plan.microBatchTokens,
      bounds: config,
      settings: policySettings(config, inLoss),
      learningRate: rate,
    })
    lap('update')

    const { kl: divergence, ...scoring } = scoringMetrics(scored, config.importance_cap)
    await rl.endStep(
      step,
      rollouts,
      {
        ...rolloutMetrics(rollouts),
        zero_spread_groups: share(groups, (group) => group.flat),
        ...known({ ...scoring, ...(reference && { kl: divergence, kl_coefficient: kl }) }),
        ...updates,
        learning_rate: rate,
        ...seconds,
      },
      reference && divergence,
    )
  }
  return rl.result()
}

/** Rollouts group by group; `flat` where the rewards of a group do not differ. */
function inGroups(rollouts: readonly Rollout[], size: number): { rollouts: Rollout[]; flat: boolean }[] {
  const flat = groupsWithoutSpread(
    rollouts.map(({ score }) => score),
    size,
  )
  return flat.map((is, g) => ({ rollouts: rollouts.slice(g * size, (g + 1) * size), flat: is }))
}
