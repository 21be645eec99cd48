import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'

export interface LossContext {
  g: Graph
  /** Log-probability of each trained token under the model being trained, [M]. */
  logprobs: Tensor
  /** What the model's value head makes of the text before each trained token, [M]. */
  values: () => Tensor
  /** Another number a token, [M]; becomes an input of the graph. */
  perToken: (name: string) => Tensor
  /** A number that may change from step to step, a scalar; becomes an input of the graph. */
  setting: (name: string) => Tensor
  /** At each token the mean of x over the trained tokens of its row, [M] → [M]; a constant to the gradient. */
  rowMean: (x: Tensor) => Tensor
}

type Loss = (context: LossContext) => Tensor

/** Differences of log-probabilities are held below this: exp() of it is far beyond every bound, and finite. */
const MOST = 60

/**
 * r of each token: p/p_old or, with `sequence_ratio` 1, the sequence's exp(mean over its tokens of log p/p_old)
 * (GSPO, arXiv 2507.18071). The latter is written as GSPO-token, sg[s]·p/sg[p]: its value is s, its gradient s·∇log p,
 * so that a sequence's tokens with weights 1/length give the gradient of s.
 */
function ratioOf({ g, logprobs, perToken, setting, rowMean }: LossContext): Tensor {
  const gap = g.sub(logprobs, perToken('old'))
  const toSequence = g.untaped(() => g.mul(setting('sequence_ratio'), g.sub(rowMean(gap), gap)))
  return g.exp(g.min(g.add(gap, toSequence), g.scalar(MOST)))
}

const clipped = ({ g, setting }: LossContext, ratio: Tensor): Tensor =>
  g.min(g.max(ratio, setting('ratio_low')), setting('ratio_high'))

/**
 * `k2`·(log p/ref)²/2 + `k3`·(ref/p − log(ref/p) − 1): estimates of the divergence from a reference policy
 * (http://joschu.net/blog/kl-approx.html), of which a run wants one or none.
 */
function divergence({ g, logprobs, perToken, setting }: LossContext): Tensor {
  const gap = g.min(g.sub(perToken('reference'), logprobs), g.scalar(MOST))
  const k2 = g.mul(g.mul(gap, gap), g.mul(setting('k2'), g.scalar(0.5)))
  const k3 = g.mul(g.sub(g.sub(g.exp(gap), gap), g.scalar(1)), setting('k3'))
  return g.add(k2, k3)
}

/**
 * PPO's clipped objective (arXiv 1707.06347) −min(r·A, clip(r, low, high)·A); where A < 0 it is kept from falling below
 * `dual_clip`·A (arXiv 1912.09729). Plus the divergence.
 */
const policyClip: Loss = (context) => {
  const { g, perToken, setting } = context
  const advantage = perToken('advantage')
  const ratio = ratioOf(context)
  const objective = g.min(g.mul(ratio, advantage), g.mul(clipped(context, ratio), advantage))
  const floor = g.mul(setting('dual_clip'), g.min(advantage, g.scalar(0)))
  return g.sub(divergence(context), g.max(objective, floor))
}

/**
 * CISPO (arXiv 2506.13585): −sg[clip(r, low, high)]·A·log p. Tokens beyond the bounds go on teaching, with a weight
 * that is bounded. Plus the divergence.
 */
const policyWeight: Loss = (context) => {
  const { g, logprobs, perToken } = context
  const weight = g.untaped(() => g.mul(clipped(context, ratioOf(context)), perToken('advantage')))
  return g.sub(divergence(context), g.mul(weight, logprobs))
}

/**
 * `value_weight`·½·max((V − R)², (V_c − R)²) with V_c no further than `value_clip` from the values before the step
 * (PPO's reference implementation: github.com/openai/baselines).
 */
const valueClip: Loss = ({ g, values, perToken, setting }) => {
  const [value, old, target] = [values(), perToken('old_value'), perToken('return')]
  const range = setting('value_clip')
  const bounded = g.add(old, g.min(g.max(g.sub(value, old), g.neg(range)), range))
  const square = (x: Tensor) => g.mul(g.sub(x, target), g.sub(x, target))
  return g.mul(g.max(square(value), square(bounded)), g.mul(setting('value_weight'), g.scalar(0.5)))
}

/**
 * Losses of one token, [M]. What is minimised is Σ weight·loss over the batch; every way of averaging
 * (by token, by sequence, by group) is a choice of weights.
 */
export const LOSSES = {
  /** −log p: supervised fine-tuning. */
  'cross-entropy': ({ g, logprobs }) => g.neg(logprobs),
  'policy-clip': policyClip,
  'policy-weight': policyWeight,
  'policy-value': (context) => context.g.add(policyClip(context), valueClip(context)),
} satisfies Record<string, Loss>

export type LossName = keyof typeof LOSSES
