import { overlapOf, rewardRows, type RowReward } from '../../core/rewards/reward-rows.ts'
import { detectHacking, type CanaryPoint } from '../../core/rl/hacking-detector.ts'
import { adaptedCoefficient } from '../../core/rl/kl.ts'
import { overlongShare } from '../../core/rl/overlong.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import type { RewardItem } from '../../core/schemas/reward.ts'
import type { Graded } from '../../core/stats/agreement.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { LossName } from '../losses/index.ts'
import { untrained } from '../models/weights.ts'
import { Generator, type Completion } from '../rollout/generator.ts'
import { weightTensors } from '../training/weight-tensors.ts'
import { AskAhead, askedAhead } from './ask-ahead.ts'
import { askCanary } from './canary.ts'
import { refuseSilence } from './judge-silence.ts'
import { PromptStream, readPrompts } from './prompt-stream.ts'
import { answerEnds, type Prompt } from './prompts.ts'
import { heldTwice, openReference } from './reference.ts'
import type { RunContext } from './run-context.ts'
import { finiteOrStop, startTraining } from './training-run.ts'

export interface Rollout {
  prompt: Prompt
  completion: Completion
  item: RewardItem
  reward: RowReward
  /** The reward that is learned from: less what coming close to the limit costs. Null where there is no score. */
  score: number | null
  /** Where both are known: the judge's probability beside the truth. */
  overlap: Graded | null
}

/** Rollouts of a step that are kept for people to read. */
const SAMPLES_A_STEP = 4
/** What helps a run that diverges. */
export const STEADIER = 'with a lower learning_rate or a higher kl_coefficient'

/** Opens what every kind of reinforcement needs around its loop: policy, prompts, sampler, reference, canary. */
export async function startReinforcement(
  spec: LeasedSpec<'grpo' | 'ppo'>,
  context: RunContext,
  options: { loss: LossName; valueHead?: boolean },
) {
  const { config, reward: recipe } = spec
  const capacity = config.max_prompt_tokens + config.max_new_tokens
  const scored = options.valueHead || config.importance_cap > 0
  const run = await startTraining(context, config, {
    ...options,
    maxTokens: capacity,
    rollouts: {
      newTokens: config.max_new_tokens,
      completions: config.prompts_per_step * config.group_size,
      scorers: Number(scored) + Number(config.kl_coefficient > 0),
      reference: heldTwice(config),
    },
  })
  const { codec, model, weights, state } = run
  const { slots } = run.plan
  const { threads, device } = context
  const fixed = weightTensors(untrained(model, weights))
  const generator = await Generator.create(model, weights, { slots, capacity, threads, device, fixed })
  const stream = new PromptStream(spec, context, codec, state?.cursors)
  const reference = await openReference(run, context, config, capacity)
  const sampling = { maxNewTokens: config.max_new_tokens, stopIds: answerEnds(codec, context) }
  const canary =
    spec.data.canary === undefined
      ? []
      : readPrompts(spec, context, codec, 'canary', verifierOf(recipe.verifier ?? 'math'))
  const canaryHistory = (state?.canary ?? []) as CanaryPoint[]
  let klCoefficient = (state?.kl_coefficient ?? config.kl_coefficient) as number
  let stoppedAt = (state?.stopped_at ?? null) as number | null

  /** Whether the judge is being fooled. */
  async function watchCanary(step: number): Promise<boolean> {
    if (!canary.length || !config.canary_every || step % config.canary_every !== 0) return false
    canaryHistory.push(await askCanary({ step, prompts: canary, generator, codec, recipe, sampling, context }))
    const verdict = detectHacking(canaryHistory)
    if (verdict.hacking) context.event('warning', `step ${step}: ${verdict.reason}`, { ...verdict })
    return verdict.hacking
  }
  if (run.firstStep === 1) await watchCanary(0)

  return {
    run,
    stream,
    reference,
    firstStep: run.firstStep,
    /** Weight of the KL in this step. */
    klCoefficient: () => klCoefficient,
    stopped: () => stoppedAt !== null,

    /** Answers each prompt `group_size` times and rewards the answers; those to one prompt together, in order. */
    async rollOut(step: number, prompts: readonly Prompt[], seed: string, lap: (what: string) => void) {
      const promptAt = (i: number) => prompts[Math.floor(i / config.group_size)]!
      const itemOf = ({ ids, finish }: Completion, i: number): RewardItem => {
        const { question, answer } = promptAt(i)
        const item = { prompt: question, completion: codec.decode(ids), finish_reason: finish }
        return answer === undefined ? item : { ...item, answer }
      }
      const asked = new AskAhead((items, role) => context.judge(items, role))
      const completions = await generator.generate(
        prompts.map(({ ids }) => ({ prompt: ids, samples: config.group_size })),
        {
          ...sampling,
          temperature: config.temperature,
          seed,
          ...(askedAhead(recipe, context) && { onDone: asked.whenDone(recipe, config.group_size, itemOf) }),
        },
      )
      const broken = completions.flatMap(({ logprobs }, i) => (logprobs.every(Number.isFinite) ? [] : [promptAt(i)]))
      if (broken.length) finiteOrStop(step, { 'the log-probability of its answers': NaN }, STEADIER, broken)
      const items = completions.map(itemOf)
      lap('rollout')
      const rewarding = { programs: context.programs, stream: seed }
      const { rewards, judgments, rows } = await rewardRows(recipe, items, asked.ask, rewarding)
      refuseSilence(`step ${step}`, rewards)
      lap('reward')
      const limit = config.max_new_tokens
      const buffer = config.overlong_buffer * limit
      return completions.map((completion, i): Rollout => {
        const reward = rewards[i]!
        const loss = config.overlong_penalty * overlongShare(completion.ids.length, { limit, buffer })
        return {
          prompt: promptAt(i),
          completion,
          item: items[i]!,
          reward,
          score: reward.reward === null ? null : reward.reward - loss,
          overlap: overlapOf([rows[i]!], [judgments[i]!])[0] ?? null,
        }
      })
    },

    /**
     * Ends a step: reports it, steers the KL, resets the reference, looks at the canary and commits a checkpoint, where
     * each is due.
     */
    async endStep(
      step: number,
      rollouts: readonly Rollout[],
      metrics: Record<string, number>,
      kl: number | null,
    ): Promise<void> {
      context.metrics(step, metrics)
      context.samples(samplesOf(step, rollouts))
      if (kl !== null && config.kl_target > 0) {
        const of = { kl, target: config.kl_target, episodes: rollouts.length, horizon: config.kl_horizon }
        klCoefficient = adaptedCoefficient(klCoefficient, of)
      }
      reference?.resetWhenDue(step)
      const fooled = await watchCanary(step)
      const saved = { cursors: stream.state(), canary: canaryHistory, kl_coefficient: klCoefficient }
      const files = reference?.files() ?? {}
      if (fooled && config.on_hacking === 'stop') {
        context.event('warning', `stopped at step ${step}: the judge is being fooled and on_hacking is "stop"`)
        stoppedAt = step
        await run.commit(step, { ...saved, stopped_at: step }, { files })
      } else {
        await run.commitWhenDue(step, saved, files)
      }
    },

    result: () => ({ steps: stoppedAt ?? config.steps, stopped_by_canary: stoppedAt !== null, canary: canaryHistory }),
  }
}

const samplesOf = (step: number, rollouts: readonly Rollout[]) =>
  rollouts.slice(0, SAMPLES_A_STEP).map(({ prompt, item, reward }, index) => ({
    step,
    split: 'train' as const,
    index,
    prompt: prompt.text,
    completion: item.completion,
    answer: prompt.answer ?? null,
    reward: reward.reward,
    terms: { ...reward.terms },
  }))
