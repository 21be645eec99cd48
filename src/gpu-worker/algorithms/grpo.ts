import { groupsWithoutSpread } from '../../core/rl/advantages.ts'
import { groupRelativeRows } from '../../core/rl/policy-rows.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { groupRelativeObjective } from './policy-objective.ts'
import type { Rollout } from './roll-out.ts'
import { rolloutMetrics, share, stopwatch } from './rollout-metrics.ts'
import type { RunContext } from './run-context.ts'
import { startReinforcement } from './start-reinforcement.ts'

const LOSSES = { objective: 'policy-clip', weight: 'policy-weight' } as const

/**
 * Group relative policy optimisation and its relatives (core/rl/presets.ts) on labelled and unlabelled prompts together:
 * each prompt is answered `group_size` times, an answer's advantage is its reward against the others', and the bounded
 * objective raises what did better.
 */
export async function grpo(spec: LeasedSpec<'grpo'>, context: RunContext) {
  const rl = await startReinforcement(spec, context, { loss: LOSSES[spec.config.clip] })
  const { config, stream } = rl

  for (let step = rl.firstStep; step <= config.steps && !rl.stopped(); step++) {
    // Rollouts and their rewards. With dynamic sampling, groups without spread are replaced, in so many rounds at most.
    const { lap, seconds } = stopwatch(context.clock)
    const resolution = rl.resolution()
    const groups: Group[] = []
    let quota = stream.quota
    for (let round = 0; round <= config.dynamic_sampling && quota.labelled + quota.unlabelled > 0; round++) {
      const seed = `${config.seed}/rollout/${step}${round ? `/${round}` : ''}`
      groups.push(...inGroups(await rl.rollOut(step, stream.take(quota), seed, lap), config.group_size, resolution))
      quota = stream.missing(groups.flatMap(({ rollouts: [first], flat }) => (flat || !first ? [] : [first.prompt])))
    }
    const kept = groups.filter((group) => !group.flat || config.dynamic_sampling === 0)

    // Advantages, and the KL where it is taken off the reward
    const scored = await rl.score(kept.flatMap((group) => group.rollouts))
    const beta = rl.klCoefficient()
    const rows = groupRelativeRows(scored, { ...config, resolution }, beta)

    // Updates
    const rate = rl.learningRate(step)
    const { value_loss: _, ...updates } = await rl.update(step, rows, groupRelativeObjective(config, beta), rate)
    lap('update')

    const rollouts = groups.flatMap((group) => group.rollouts)
    await rl.endStep(step, rollouts, {
      ...rolloutMetrics(rollouts),
      zero_spread_groups: share(groups, (group) => group.flat),
      noise_groups: share(groups, (group) => group.flat && hasDifferences(group.rollouts)),
      ...rl.scoringMetrics(scored),
      ...updates,
      learning_rate: rate,
      ...seconds,
    })
  }
  return rl.result()
}

interface Group {
  rollouts: Rollout[]
  /** Whether all its rewards are the same, as far as its judge can tell. */
  flat: boolean
}

function inGroups(rollouts: readonly Rollout[], size: number, resolution: number): Group[] {
  const scores = rollouts.map(({ score }) => score)
  const flat = groupsWithoutSpread(scores, size, resolution)
  return flat.map((is, g) => ({ rollouts: rollouts.slice(g * size, (g + 1) * size), flat: is }))
}

/** Whether rewards are not all the same number. */
const hasDifferences = (rollouts: readonly Rollout[]) => new Set(rollouts.flatMap(({ score }) => score ?? [])).size > 1
