import { SeededRng } from '../../core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../core/rl/shuffle.ts'
import { accumulateRows, type TrainingRow } from '../training/row-training.ts'
import type { Trainer } from '../training/trainer.ts'
import type { Prompt } from './prompts.ts'
import { STEADIER } from './reinforcement.ts'
import { finiteOrStop } from './training-run.ts'

/** A rollout as the loss takes it. */
export interface PolicyRow extends TrainingRow {
  prompt: Prompt
  perToken: { old: ArrayLike<number>; advantage: ArrayLike<number> | number; reference: ArrayLike<number> } & Record<
    string,
    ArrayLike<number> | number
  >
}

/** How the ratio of new to old probability is bounded. */
export interface PolicyBounds {
  ratio: 'token' | 'sequence'
  clip: 'objective' | 'weight'
  clip_low: number
  clip_high: number
  /** 0: none. */
  dual_clip: number
}

/** Stands for "no floor": no objective lies as low as this times its advantage. */
const NO_FLOOR = 1e30

/** The settings of the policy losses. `kl`: the estimator and weight of a KL in the loss; null where there is none. */
export function policySettings(
  { ratio, clip_low, clip_high, dual_clip }: PolicyBounds,
  kl: { estimator: string; coefficient: number } | null,
): Record<string, number> {
  return {
    sequence_ratio: ratio === 'sequence' ? 1 : 0,
    ratio_low: 1 - clip_low,
    ratio_high: 1 + clip_high,
    dual_clip: dual_clip || NO_FLOOR,
    k2: kl?.estimator === 'k2' ? kl.coefficient : 0,
    k3: kl?.estimator === 'k3' ? kl.coefficient : 0,
  }
}

export interface UpdateOptions {
  step: number
  seed: number
  epochs: number
  minibatches: number
  temperature: number
  microBatchTokens: number
  bounds: PolicyBounds
  settings: Record<string, number>
  learningRate: number | ((name: string) => number)
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

/**
 * Passes over a step's rollouts, `minibatches` updates each; which rollouts go together is drawn from the seed. The
 * rows' weights are those of the whole batch: a minibatch is weighed up to stand for all of it.
 */
export async function updatePolicy(
  trainer: Trainer,
  rows: readonly PolicyRow[],
  options: UpdateOptions,
): Promise<Updates> {
  const { step, temperature, microBatchTokens, settings, learningRate } = options
  const sums = { loss: 0, gradient_norm: 0, updates: 0, tokens: 0, clipped: 0, divergence: 0, value_loss: 0 }
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    for (const minibatch of minibatchesOf(rows, options, epoch)) {
      const accumulated = await accumulateRows(trainer, minibatch, { microBatchTokens, temperature, settings })
      const suspects = accumulated.broken.map((i) => minibatch[i]!.prompt)
      finiteOrStop(step, { loss: accumulated.loss }, STEADIER, suspects)
      const { gradientNorm } = await trainer.step(learningRate)
      finiteOrStop(step, { gradientNorm }, STEADIER, minibatch.map((row) => row.prompt)) // prettier-ignore
      sums.loss += accumulated.loss
      sums.gradient_norm += gradientNorm
      sums.updates++
      minibatch.forEach((row, i) =>
        addTokens(sums, row, accumulated.logprobs[i]!, accumulated.values[i]!, options.bounds),
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

function minibatchesOf(rows: readonly PolicyRow[], { seed, step, minibatches }: UpdateOptions, epoch: number) {
  if (rows.length === 0) return []
  if (minibatches === 1) return [rows]
  const order = [...shuffledIndices(rows.length, new SeededRng(seed, 'minibatch', step, epoch))]
  const count = Math.min(minibatches, rows.length)
  const scaled = ({ weight, ...row }: PolicyRow): PolicyRow => ({
    ...row,
    weight: typeof weight === 'number' ? weight * count : Array.from(weight, (w) => w * count),
  })
  return Array.from({ length: count }, (_, m) =>
    order.slice((m * rows.length) / count, ((m + 1) * rows.length) / count).map((i) => scaled(rows[i]!)),
  )
}

function addTokens(
  sums: { tokens: number; clipped: number; divergence: number; value_loss: number },
  { perToken }: PolicyRow,
  logprobs: Float32Array,
  values: Float32Array,
  { ratio, clip, clip_low, clip_high }: PolicyBounds,
): void {
  const gaps = Array.from(logprobs, (logprob, t) => logprob - perToken.old[t]!)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  gaps.forEach((gap, t) => {
    const r = Math.exp(ratio === 'sequence' ? mean : gap)
    const advantage = typeof perToken.advantage === 'number' ? perToken.advantage : perToken.advantage[t]!
    const [below, above] = [r < 1 - clip_low, r > 1 + clip_high]
    const stopped = clip === 'weight' ? below || above : (below && advantage < 0) || (above && advantage > 0)
    if (stopped) sums.clipped++
    sums.divergence += Math.expm1(gap) - gap
    if (values.length) sums.value_loss += (values[t]! - (perToken.return as ArrayLike<number>)[t]!) ** 2 / 2
  })
  sums.tokens += gaps.length
}
