import { rewardResolution } from '../../core/rewards/resolution.ts'
import { adaptedCoefficient } from '../../core/rl/kl.ts'
import type { PolicyRow } from '../../core/rl/policy-rows.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { LossName } from '../losses/index.ts'
import { untrained } from '../models/weights.ts'
import { Generator } from '../rollout/generator.ts'
import { PolicyScorer } from '../training/policy-scorer.ts'
import { weightTensors } from '../training/weight-tensors.ts'
import { askCanary } from './ask-canary.ts'
import { CanaryWatch } from './canary-watch.ts'
import { HackingResponse } from './hacking-response.ts'
import type { PolicyObjective } from './policy-objective.ts'
import { LongRows } from './long-rows.ts'
import { PromptStream, readPrompts } from './prompt-stream.ts'
import { answerEnds, type Prompt } from './prompts.ts'
import { openReference, referenceCopy } from './reference.ts'
import { rollOut, type Rollout } from './roll-out.ts'
import { known, samplesOf } from './rollout-metrics.ts'
import type { RunContext } from './run-context.ts'
import { scoreRollouts, scoringMetrics, type PolicyRollout } from './score-rollouts.ts'
import { openRun, startTraining } from './start-training.ts'
import { answerLimits } from './token-limits.ts'
import { updatePolicy, type UpdatedRollout, type UpdateOptions } from './update-policy.ts'

/** Where a job names no limits and the model has room for these. */
const USUAL = { max_prompt_tokens: 512, max_new_tokens: 256 }

/** Opens what every kind of reinforcement needs around its loop: policy, prompts, sampler, reference, canary. */
export async function startReinforcement<S extends LeasedSpec<'grpo' | 'ppo'>>(
  given: S,
  context: RunContext,
  options: { loss: LossName; valueHead?: boolean },
) {
  const opened = await openRun(context, given, options)
  const { contextLength } = opened.training.model
  const limits = answerLimits(given.config, USUAL, contextLength, context)
  const config: S['config'] & typeof limits = { ...given.config, ...limits }
  const spec = { ...given, config }
  const capacity = config.max_prompt_tokens + config.max_new_tokens
  const long = new LongRows(config.on_long_rows, contextLength, context)
  const stream = new PromptStream(spec, context, opened.rows, long, context.resume?.state.cursors)
  const canary =
    spec.data.canary === undefined
      ? []
      : [...readPrompts(spec, context, opened.rows, long, 'canary', verifierOf(spec.reward.verifier ?? 'math'))]

  // Otherwise the sampler's own log-probabilities will do.
  const asksPolicy = options.valueHead || config.importance_cap > 0
  const run = await startTraining(opened, context, config, {
    loss: options.loss,
    maxTokens: capacity,
    hasBest: spec.data.canary !== undefined && config.canary_every > 0,
    scorers: Number(asksPolicy) + Number(config.kl_coefficient > 0),
    rollouts: {
      newTokens: config.max_new_tokens,
      completions: config.prompts_per_step * config.group_size,
      reference: referenceCopy(config),
      best: config.on_hacking === 'rollback',
    },
  })
  const { rows, model, weights, state, trainer, plan } = run
  const { codec } = rows
  const { threads, device } = context
  const fixed = weightTensors(untrained(model, weights))
  const generator = await Generator.create(model, weights, { slots: plan.slots, capacity, threads, device, fixed })
  const policy = asksPolicy ? await PolicyScorer.create(run, capacity, context) : null
  const reference = await openReference(run, context, config, capacity)
  const stopIds = answerEnds(codec, context)
  const watch = new CanaryWatch(state)
  const response = new HackingResponse(run, context, spec)
  let klCoefficient = (state?.kl_coefficient ?? config.kl_coefficient) as number

  async function lookAtCanary(step: number) {
    const sampling = { maxNewTokens: config.max_new_tokens, stopIds }
    const { recipe, asking } = response
    return watch.take(await askCanary({ step, prompts: canary, generator, codec, recipe, sampling, context: asking }))
  }

  /** Looks at the canary where that is due. Whether the run has gone back, and goes on by another recipe. */
  async function watchCanary(step: number): Promise<boolean> {
    if (!canary.length || !config.canary_every || step % config.canary_every !== 0) return false
    const verdict = await lookAtCanary(step)
    if (!verdict.hacking) {
      if (watch.isBest) response.keepBest(step)
      return false
    }
    if (!response.answer(step, verdict)) return false
    reference?.reset()
    watch.beginAnew()
    await lookAtCanary(step)
    response.keepBest(step)
    return true
  }
  if (run.firstStep === 1) await watchCanary(0)

  return {
    /** The job's, with the limits that it goes by. */
    config,
    stream,
    firstStep: run.firstStep,
    stopped: () => response.stopped,
    /** What differences of the rewards mean something. */
    resolution: () => rewardResolution(response.recipe),
    /** Weight of the KL in this step. */
    klCoefficient: () => klCoefficient,
    /** @param peak that of the run unless another is given */
    learningRate: (step: number, peak = config.learning_rate) => learningRateAt(step - 1, { ...run.schedule, peak }),

    rollOut: (step: number, prompts: readonly Prompt[], seed: string, lap: (what: string) => void) =>
      rollOut(prompts, {
        spec: { reward: response.recipe, config },
        context: response.asking,
        generator,
        codec,
        stopIds,
        step,
        seed,
        lap,
      }),

    score: <R extends Rollout>(rollouts: readonly R[]): Promise<(R & PolicyRollout)[]> =>
      scoreRollouts(rollouts, { policy, reference }, config, plan),

    update: (
      step: number,
      rows: readonly PolicyRow<UpdatedRollout>[],
      objective: PolicyObjective,
      learningRate: UpdateOptions['learningRate'],
    ) =>
      updatePolicy(trainer, rows, { step, config, microBatchTokens: plan.microBatchTokens, objective, learningRate }),

    /** What scoring says of a step; the KL where there is a reference. */
    scoringMetrics(scored: readonly PolicyRollout[]): Record<string, number> {
      const { kl, ...importance } = scoringMetrics(scored, config.importance_cap)
      return known({ ...importance, ...(reference && { kl, kl_coefficient: klCoefficient }) })
    },

    /**
     * Ends a step: reports it, steers the KL, resets the reference, looks at the canary and commits a checkpoint, where
     * each is due.
     */
    async endStep(step: number, rollouts: readonly Rollout[], metrics: Record<string, number>): Promise<void> {
      context.metrics(step, metrics)
      context.samples(samplesOf(step, rollouts))
      if (metrics.kl !== undefined && config.kl_target > 0) {
        const of = { kl: metrics.kl, target: config.kl_target, episodes: rollouts.length, horizon: config.kl_horizon }
        klCoefficient = adaptedCoefficient(klCoefficient, of)
      }
      reference?.resetWhenDue(step)
      const wentBack = await watchCanary(step)
      const saved = { cursors: stream.state(), ...watch.state(), ...response.state(), kl_coefficient: klCoefficient }
      const files = { ...reference?.files(), ...response.files() }
      if (response.stopped) await run.commit(step, saved, { files })
      else await run.commitWhenDue(step, saved, { files, wanted: wentBack })
    },

    result: () => ({ ...response.result(config.steps), canary: watch.history, ...long.result() }),
  }
}
