import { mean } from '../../core/moments.ts'
import { minibatchesOf, seededOrder, type RowOrder } from '../../core/rl/minibatches.ts'
import type { PolicyRow, ValueRow } from '../../core/rl/policy-rows.ts'
import { accumulateGradients, type TrainingRow } from '../training/accumulate-gradients.ts'
import type { Trainer } from '../training/trainer.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import type { PolicyBounds, PolicyObjective } from './policy-objective.ts'
import type { Prompt } from './prompts.ts'
import type { PolicyRollout } from './score-rollouts.ts'

/** What of a rollout the updates read. */
export type UpdatedRollout = Pick<PolicyRollout, 'row' | 'old_T' | 'reference_T' | 'values_T'> & {
  prompt: Pick<Prompt, 'role' | 'line'>
}

export interface UpdateOptions {
  step: number
  config: { seed: number; epochs: number; minibatches: number; temperature: number }
  microBatchTokens: number
  objective: PolicyObjective
  learningRate: number | ((name: string) => number)
  /** Which rollouts go together; drawn from the seed where none is given. */
  order?: RowOrder
}

/** What the updates of a step say of it: means over updates, or over their tokens. */
export interface Updates {
  loss: number
  gradient_norm: number
  updates: number
  /** Share of the tokens that a bound kept from teaching (or, with `clip: weight`, whose weight it changed). */
  clipped: number
  /** Estimate (k3) of the divergence of the policy from the one that sampled, a token. */
  divergence: number
  /** ½(V − R)² a token, where there are values. */
  value_loss: number
}

/** Passes over a step's rows, `minibatches` updates each. */
export async function updatePolicy(
  trainer: Trainer,
  rows: readonly UpdatedRow[],
  options: UpdateOptions,
): Promise<Updates> {
  const { step, config, microBatchTokens, objective, learningRate, order = seededOrder } = options
  const { seed, epochs, minibatches, temperature } = config
  const teaching = rows.filter(({ weight }) => weight !== 0)
  const sums = { loss: 0, gradient_norm: 0, updates: 0, tokens: 0, clipped: 0, divergence: 0, value_loss: 0 }
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const minibatch of minibatchesOf(teaching, minibatches, (count) => order(count, { seed, step, epoch }))) {
      const accumulated = await accumulateGradients(trainer, minibatch.map(trainingRow), {
        microBatchTokens,
        temperature,
        settings: objective.settings,
      })
      const prompts = minibatch.map(({ rollout }) => rollout.prompt)
      finiteOrStop(step, { loss: accumulated.loss }, REMEDIES.reinforcement, accumulated.broken.map((i) => prompts[i]!)) // prettier-ignore
      const { gradientNorm } = await trainer.step(learningRate)
      finiteOrStop(step, { gradientNorm }, REMEDIES.reinforcement, prompts)
      sums.loss += accumulated.loss
      sums.gradient_norm += gradientNorm
      sums.updates++
      minibatch.forEach((row, i) =>
        addTokens(sums, row, accumulated.logprobs[i]!, accumulated.values[i]!, objective.bounds),
      )
    }
  }
  const [updates, tokens] = [Math.max(1, sums.updates), Math.max(1, sums.tokens)]
  return {
    loss: sums.loss / updates,
    gradient_norm: sums.gradient_norm / updates,
    updates: sums.updates,
    clipped: sums.clipped / tokens,
    divergence: sums.divergence / tokens,
    value_loss: sums.value_loss / tokens,
  }
}

type UpdatedRow = PolicyRow<UpdatedRollout> | ValueRow<UpdatedRollout>

/** A row as the policy losses take it. */
function trainingRow(row: UpdatedRow): TrainingRow {
  const { old_T, reference_T, values_T, row: tokens } = row.rollout
  const perToken = { old: old_T, reference: reference_T, advantage: row.advantage_T }
  const values = 'return_T' in row && { old_value: values_T, return: row.return_T }
  return { ...tokens, weight: row.weight, perToken: { ...perToken, ...values } }
}

/** @param logprobs_T under the policy as it was updated; `values_T` likewise */
function addTokens(
  sums: { tokens: number; clipped: number; divergence: number; value_loss: number },
  row: UpdatedRow,
  logprobs_T: Float32Array,
  values_T: Float32Array,
  { ratio, clip, clip_low, clip_high }: PolicyBounds,
): void {
  const gaps_T = Array.from(logprobs_T, (logprob, t) => logprob - row.rollout.old_T[t]!)
  const ofSequence = mean(gaps_T) ?? 0
  gaps_T.forEach((gap, t) => {
    const r = Math.exp(ratio === 'sequence' ? ofSequence : gap)
    const advantage = row.advantage_T[t]!
    const [below, above] = [r < 1 - clip_low, r > 1 + clip_high]
    const stopped = clip === 'weight' ? below || above : (below && advantage < 0) || (above && advantage > 0)
    if (stopped) sums.clipped++
    sums.divergence += Math.expm1(gap) - gap
    if ('return_T' in row) sums.value_loss += (values_T[t]! - row.return_T[t]!) ** 2 / 2
  })
  sums.tokens += gaps_T.length
}
