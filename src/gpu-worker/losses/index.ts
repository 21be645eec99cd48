import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'

export interface LossContext {
  g: Graph
  /** Log-probability of each trained token under the model being trained, [M]. */
  logprobs: Tensor
  /** Another number a token, [M]; becomes an input of the graph. */
  perToken: (name: string) => Tensor
  /** A number that may change from step to step, a scalar; becomes an input of the graph. */
  setting: (name: string) => Tensor
}

/**
 * Losses of one token, [M]. What is minimised is Σ weight·loss over the batch; every way of averaging
 * (by token, by sequence, by group) is a choice of weights.
 */
export const LOSSES = {
  /** −log p: supervised fine-tuning. */
  'cross-entropy': ({ g, logprobs }) => g.neg(logprobs),

  /**
   * PPO's clipped objective (arXiv 1707.06347) −min(r·A, clip(r, 1−ε, 1+ε)·A) with r = p/p_old, plus β times
   * the k3 estimate of the divergence from a reference policy: ref/p − log(ref/p) − 1 (http://joschu.net/blog/kl-approx.html).
   */
  'policy-clip': ({ g, logprobs, perToken, setting }) => {
    const [old, advantage, reference] = ['old', 'advantage', 'reference'].map(perToken) as [Tensor, Tensor, Tensor]
    const ratio = g.exp(g.sub(logprobs, old))
    const clip = setting('clip')
    const bounded = g.min(g.max(ratio, g.sub(g.scalar(1), clip)), g.add(g.scalar(1), clip))
    const policy = g.min(g.mul(ratio, advantage), g.mul(bounded, advantage))
    const gap = g.sub(reference, logprobs)
    const divergence = g.sub(g.sub(g.exp(gap), gap), g.scalar(1))
    return g.sub(g.mul(setting('kl'), divergence), policy)
  },
} satisfies Record<string, (context: LossContext) => Tensor>

export type LossName = keyof typeof LOSSES
