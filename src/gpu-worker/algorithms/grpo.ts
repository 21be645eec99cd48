import { rewardRows, overlapOf, type RowReward } from '../../core/rewards/reward-rows.ts'
import { groupAdvantages } from '../../core/rl/advantages.ts'
import { DataCursor, type CursorState } from '../../core/rl/data-cursor.ts'
import { detectHacking, type CanaryPoint } from '../../core/rl/hacking-detector.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import type { GrpoSpec } from '../../core/schemas/grpo.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import { auc } from '../../core/stats/agreement.ts'
import { mean, standardDeviation } from '../../core/stats/moments.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { Verifier } from '../../core/verifiers/verifier.ts'
import { trainedTokens } from '../engines/batch.ts'
import { ReferencePolicy } from '../engines/reference-policy.ts'
import { accumulateRows, type TrainingRow } from '../engines/row-training.ts'
import { Generator, type Completion } from '../rollout/generator.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import { askCanary } from './canary.ts'
import { refuseSilence } from './judge-silence.ts'
import { promptOf, type Prompt } from './prompts.ts'
import type { RunContext } from './run-context.ts'
import { finiteOrStop, startTraining } from './training-run.ts'

/** Rollouts of a step that are kept for people to read. */
const SAMPLES_A_STEP = 4
/** What helps a run that diverges. */
const STEADIER = 'with a lower learning_rate or a higher kl_coefficient'

interface Rollout {
  prompt: Prompt
  completion: Completion
  item: RewardItem
}

/**
 * Group relative policy optimisation (arXiv 2402.03300) on labelled and unlabelled prompts together: each
 * prompt is answered `group_size` times, an answer's advantage is its reward against the rest of its group,
 * and the clipped objective raises what did better.
 */
export async function grpo(spec: GrpoSpec, context: RunContext) {
  const { config } = spec
  const recipe = spec.reward as RewardRecipe
  const capacity = config.max_prompt_tokens + config.max_new_tokens
  const run = await startTraining(context, config, { loss: 'policy-clip', maxTokens: capacity })
  const { codec, model, weights, trainer, state } = run
  const slots = slotsWithin(model, capacity, config.prompts_per_step * config.group_size)
  const generator = await Generator.create(model, weights, { slots, capacity, threads: context.threads })
  const reference =
    config.kl_coefficient > 0 ? await ReferencePolicy.create(await run.firstPolicy(), capacity, context) : null

  const sampling = { maxNewTokens: config.max_new_tokens, stopIds: codec.stopIds }
  const promptsOf = (role: string, verifier?: Verifier) => {
    const options = { codec, template: spec.prompt_template, maxTokens: config.max_prompt_tokens, role, verifier }
    return context.rows(role).map((row) => promptOf(row, options))
  }
  const source = (role: 'labelled' | 'unlabelled') => {
    if (spec.data[role] === undefined) return null
    const prompts =
      role === 'labelled'
        ? promptsOf(role, recipe.verifier && verifierOf(recipe.verifier))
        : promptsOf(role).map((prompt) => ({ ...prompt, answer: undefined }))
    const saved = (state?.cursors as Record<string, CursorState> | undefined)?.[role]
    return { prompts, cursor: new DataCursor(prompts.length, `${role}/${config.seed}`, saved) }
  }
  const labelled = source('labelled')
  const unlabelled = source('unlabelled')
  const labelledCount = Math.round(config.prompts_per_step * (!unlabelled ? 1 : !labelled ? 0 : config.labelled_share))
  const canary = spec.data.canary === undefined ? [] : promptsOf('canary', verifierOf(recipe.verifier ?? 'math'))
  const canaryHistory = (state?.canary ?? []) as CanaryPoint[]
  const watchCanary = async (step: number) => {
    if (!canary.length || !config.canary_every) return false
    canaryHistory.push(await askCanary({ step, prompts: canary, generator, codec, recipe, sampling, context }))
    const verdict = detectHacking(canaryHistory)
    if (verdict.hacking) context.event('warning', `step ${step}: ${verdict.reason}`, { ...verdict })
    return verdict.hacking
  }
  if (run.firstStep === 1) await watchCanary(0)
  let stoppedAt = (state?.stopped_at ?? null) as number | null

  for (let step = run.firstStep; step <= config.steps && stoppedAt === null; step++) {
    // Rollouts
    const t0 = context.clock.now()
    const prompts = [
      ...(labelled?.cursor.take(labelledCount).map((i) => labelled.prompts[i]!) ?? []),
      ...(unlabelled?.cursor.take(config.prompts_per_step - labelledCount).map((i) => unlabelled.prompts[i]!) ?? []),
    ]
    const completions = await generator.generate(
      prompts.map(({ ids }) => ({ prompt: ids, samples: config.group_size })),
      { ...sampling, temperature: config.temperature, seed: `${config.seed}/rollout/${step}` },
    )
    const tokens = completions.reduce((sum, { ids }) => sum + ids.length, 0)
    const meanLogprob = completions.reduce((sum, { logprobs }) => logprobs.reduce((a, b) => a + b, sum), 0) / tokens
    finiteOrStop(step, { 'the log-probability of its answers': meanLogprob }, STEADIER)
    const rollouts = completions.map((completion, i): Rollout => {
      const prompt = prompts[Math.floor(i / config.group_size)]!
      const { question, answer } = prompt
      const item = { prompt: question, completion: codec.decode(completion.ids), finish_reason: completion.finish }
      return { prompt, completion, item: answer === undefined ? item : { ...item, answer } }
    })

    // Rewards and advantages
    const t1 = context.clock.now()
    const {
      rewards,
      judgments,
      rows: assessed,
    } = await rewardRows(
      recipe,
      rollouts.map((r) => r.item),
      (items) => context.judge(items),
      context.programs,
    )
    refuseSilence(`step ${step}`, rewards)
    const { advantages, zeroSpread } = groupAdvantages(
      rewards.map((r) => r.reward),
      config.group_size,
      config.advantage_epsilon,
    )

    // Updates. A row whose advantage is 0 has no policy gradient; it counts as trained only where KL holds it back.
    const t2 = context.clock.now()
    const taught = rollouts.flatMap(({ prompt, completion }, i) =>
      advantages[i] === 0 && !reference ? [] : [{ prompt, completion, advantage: advantages[i]! }],
    )
    const trainingRows = taught.map(({ prompt, completion, advantage }): TrainingRow => ({
      ids: [...prompt.ids, ...completion.ids],
      start: prompt.ids.length,
      weight: 1 / tokens,
      perToken: { old: completion.logprobs, advantage, reference: completion.logprobs },
    }))
    if (reference) await reference.fill(trainingRows, config)
    const rate = learningRateAt(step - 1, run.schedule)
    let loss = 0
    let gradientNorm = 0
    let logprobs: Float32Array[] = []
    for (let epoch = 0; epoch < config.epochs && trainingRows.length; epoch++) {
      ;({ loss, logprobs } = await accumulateRows(trainer, trainingRows, {
        microBatchTokens: config.micro_batch_tokens,
        temperature: config.temperature,
        settings: {
          sequence_ratio: 0,
          ratio_low: 1 - config.clip_epsilon,
          ratio_high: 1 + config.clip_epsilon,
          dual_clip: 1e30,
          k2: 0,
          k3: config.kl_coefficient,
        },
      }))
      ;({ gradientNorm } = await trainer.step(rate))
      finiteOrStop(step, { loss, gradientNorm }, STEADIER)
    }
    const t3 = context.clock.now()

    context.metrics(step, {
      ...rewardMetrics(rewards, overlapOf(assessed, judgments)),
      ...ratioMetrics(trainingRows, logprobs, config.clip_epsilon),
      loss,
      gradient_norm: gradientNorm,
      learning_rate: rate,
      tokens,
      completion_length: tokens / rollouts.length,
      truncated: share(rollouts, ({ completion }) => completion.finish === 'length'),
      zero_spread_groups: share(zeroSpread, Boolean),
      'seconds/rollout': (t1 - t0) / 1000,
      'seconds/reward': (t2 - t1) / 1000,
      'seconds/update': (t3 - t2) / 1000,
    })
    context.samples(
      rollouts.slice(0, SAMPLES_A_STEP).map(({ prompt, item }, index) => ({
        step,
        split: 'train' as const,
        index,
        prompt: prompt.text,
        completion: item.completion,
        answer: prompt.answer ?? null,
        reward: rewards[index]!.reward,
        terms: { ...rewards[index]!.terms },
      })),
    )
    const fooled = config.canary_every > 0 && step % config.canary_every === 0 && (await watchCanary(step))
    const cursors = { labelled: labelled?.cursor.state(), unlabelled: unlabelled?.cursor.state() }
    const saved = { cursors, canary: canaryHistory }
    if (fooled && config.on_hacking === 'stop') {
      context.event('warning', `stopped at step ${step}: the judge is being fooled and on_hacking is "stop"`)
      stoppedAt = step
      await run.commit(step, { ...saved, stopped_at: step })
    } else {
      await run.commitWhenDue(step, saved)
    }
  }
  return { steps: stoppedAt ?? config.steps, stopped_by_canary: stoppedAt !== null, canary: canaryHistory }
}

/** What the rewards of a step say, overall and where judge and verifier can be held against each other. */
function rewardMetrics(rewards: readonly RowReward[], overlap: ReturnType<typeof overlapOf>): Record<string, number> {
  const values = rewards.flatMap((r) => r.reward ?? [])
  const named = {
    reward: mean(values),
    'reward/std': standardDeviation(values),
    'reward/judge': mean(rewards.flatMap((r) => r.terms.judge ?? [])),
    'reward/verifier': mean(rewards.flatMap((r) => r.terms.verifier ?? [])),
    'reward/gated': share(rewards, (r) => r.outcome === 'scored' && r.reason === 'gated'),
    'reward/abstained': share(rewards, (r) => r.outcome === 'abstained'),
    'reward/failed': share(rewards, (r) => r.outcome === 'failed'),
    'overlap/correct': overlap.length ? share(overlap, (o) => o.correct) : null,
    'overlap/judge_auc': auc(overlap),
  }
  return Object.fromEntries(Object.entries(named).filter((e): e is [string, number] => e[1] !== null))
}

/** How far the policy has moved from the one that sampled: clipped share and the k3 estimate of the divergence. */
function ratioMetrics(rows: readonly TrainingRow[], logprobs: readonly Float32Array[], clip: number) {
  let clipped = 0
  let divergence = 0
  let tokens = 0
  logprobs.forEach((row, i) => {
    const old = rows[i]!.perToken!.old as number[]
    row.forEach((logprob, t) => {
      const gap = logprob - old[t]!
      if (Math.abs(Math.exp(gap) - 1) > clip) clipped++
      divergence += Math.exp(gap) - 1 - gap
    })
    tokens += trainedTokens(rows[i]!)
  })
  return { clipped: tokens ? clipped / tokens : 0, divergence: tokens ? divergence / tokens : 0 }
}

const share = <T>(list: readonly T[], is: (item: T) => boolean): number =>
  list.length ? list.filter(is).length / list.length : 0
