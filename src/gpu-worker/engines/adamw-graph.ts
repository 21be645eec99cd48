import { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'
import { GRADIENT } from './training-graph.ts'

export const FIRST_MOMENT = 'exp_avg:'
export const SECOND_MOMENT = 'exp_avg_sq:'

/**
 * One AdamW step (arXiv 1711.05101, decoupled decay) after clipping by the norm of all gradients together,
 * everything updated in place. Scalars in: `learning_rate`, `beta1`, `beta2`, `epsilon`, `weight_decay`,
 * `clip_norm`, `correction1` = 1−β1ᵗ, `correction2` = √(1−β2ᵗ). Out: `gradient_norm`, before clipping.
 */
export function adamwGraph(parameters: ReadonlyMap<string, readonly number[]>): Graph {
  const g = new Graph()
  const scalar = (name: string) => g.input(name, 'float32', [])
  const [rate, beta1, beta2] = [scalar('learning_rate'), scalar('beta1'), scalar('beta2')]
  const [correction1, correction2] = [scalar('correction1'), scalar('correction2')]
  const one = g.scalar(1)
  const gradients = new Map([...parameters].map(([name, shape]) => [name, g.input(GRADIENT + name, 'float32', shape)]))

  const squares = [...gradients.values()].map((x) =>
    g.op('ReduceSumSquare', [x], { attributes: { keepdims: 0 }, shape: [] }),
  )
  const norm = g.sqrt(g.op('Sum', squares))
  g.output('gradient_norm', norm)
  const clip = g.min(one, g.div(scalar('clip_norm'), g.add(norm, g.scalar(1e-6))))

  // m̂/(√v̂ + ε) with the corrections moved out of the large tensors: m·(√c2/c1)/(√v + ε√c2).
  const stepSize = g.div(g.mul(rate, correction2), correction1)
  const epsilon = g.mul(scalar('epsilon'), correction2)
  const keep = g.sub(one, g.mul(rate, scalar('weight_decay')))
  const share1 = g.mul(clip, g.sub(one, beta1))
  const share2 = g.mul(g.mul(clip, clip), g.sub(one, beta2))

  for (const [name, shape] of parameters) {
    const gradient = gradients.get(name)!
    const p = g.input(name, 'float32', shape)
    const m = g.input(FIRST_MOMENT + name, 'float32', shape)
    const v = g.input(SECOND_MOMENT + name, 'float32', shape)
    const newM: Tensor = g.add(g.mul(m, beta1), g.mul(gradient, share1))
    const newV: Tensor = g.add(g.mul(v, beta2), g.mul(g.mul(gradient, gradient), share2))
    const update = g.div(g.mul(newM, stepSize), g.add(g.sqrt(newV), epsilon))
    g.output(name, g.sub(g.mul(p, keep), update))
    g.output(FIRST_MOMENT + name, newM)
    g.output(SECOND_MOMENT + name, newV)
  }
  return g
}
