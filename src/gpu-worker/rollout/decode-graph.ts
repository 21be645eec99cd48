import type { Graph } from '../graph/graph.ts'
import { finishLogits } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { Model } from '../models/model.ts'
import { ColumnGraph } from './column-graph.ts'
import { DecodeLayers } from './decode-layers.ts'
import type { Matrices } from './quantise-weights.ts'

/** Width of the blocks whose sums are searched first when a token is drawn. */
const BLOCK = 256

/**
 * One graph for prefill (S > 1) and decode (S = 1). On top of what DecodeLayers takes: `read` ([R] int64:
 * flat indices into [B·S] of the tokens whose successors are wanted; repeated for several draws) and `bias` ([V]: added to the logits; −∞ bans
 * a token). With `sample`, also `inverse_temperature` (scalar; 0 = greedy) and `uniform` ([R,1] in [0,1)).
 *
 * Outputs: the cache, and `logits` [R,V] or, with `sample`, `next` ([R,1] int64) and `logprob` [R,1]:
 * the drawn token's log-probability at the sampling temperature (at 1 when greedy).
 */
export function decodeGraph(
  model: Model,
  { capacity, sample, matrices }: { capacity: number; sample: boolean; matrices?: Matrices | undefined },
): Graph {
  const g = new ColumnGraph()
  const layers = new DecodeLayers(g, model, capacity, matrices)
  const read = g.input('read', 'int64', ['R'])
  const bias = g.input('bias', 'float32', [model.vocabularySize])
  g.untaped(() => {
    const hidden = g.gather(model.hidden(layers), read) // [R,H]
    const product = layers.productBy(hidden, model.head)
    const logits = g.add(finishLogits(g, product, layers.afterHead(model)), bias) // [R,V]
    if (sample) drawToken(g, logits, model.vocabularySize)
    else g.output('logits', logits)
  })
  return g
}

/**
 * Inverse-CDF sampling from one uniform number a row: the running sum of the probabilities is searched block
 * by block, then inside the block. With inverse temperature 0, the most likely token.
 */
export function drawToken(g: Graph, logits: Tensor, vocabularySize: number): void {
  const R = 'R'
  const inverse = g.input('inverse_temperature', 'float32', [])
  const uniform = g.input('uniform', 'float32', [R, 1])
  const greedy = g.op('Equal', [inverse, g.scalar(0)])
  const scale = g.where(greedy, g.scalar(1), inverse)
  const logprobs = g.op('LogSoftmax', [g.mul(logits, scale)], { attributes: { axis: -1 } }) // [R,V]
  const probabilities = g.exp(logprobs)

  const blocks = Math.ceil(vocabularySize / BLOCK)
  const pads = g.ints([0, 0, 0, blocks * BLOCK - vocabularySize])
  const whole = g.op('Pad', [probabilities, pads], { shape: [R, blocks * BLOCK] })
  const grid = g.reshape(whole, [R, blocks, BLOCK])
  const mass = g.reshape(g.sum(grid, [2]), [R, blocks])
  const running = g.op('CumSum', [mass, g.ints(1)]) // [R,blocks]
  const target = g.mul(uniform, last(g, running)) // [R,1]

  const block = firstAbove(g, running, target)
  const at = (x: Tensor, i: Tensor) => g.op('GatherElements', [x, i], { attributes: { axis: 1 } })
  const before = g.sub(at(running, block), at(mass, block))
  const inside = g.op('GatherND', [grid, block], { attributes: { batch_dims: 1 }, shape: [R, BLOCK] })
  const within = firstAbove(g, g.op('CumSum', [inside, g.ints(1)]), g.sub(target, before))
  const drawn = g.add(g.mul(block, g.ints([BLOCK])), within)

  const best = g.op('ArgMax', [logprobs], { attributes: { axis: 1, keepdims: 1 }, shape: [R, 1] })
  const next = g.where(greedy, best, drawn)
  g.output('next', next)
  g.output('logprob', at(logprobs, next))
}

/**
 * Index, in each row of running sums, of the first that is above the row's target; where rounding leaves
 * none, of the first that reaches the end. Either way the sum rises there: what has no mass is never drawn.
 * → [R,1] int64
 */
function firstAbove(g: Graph, sums: Tensor, target: Tensor): Tensor {
  const before = g.op('And', [g.lessOrEqual(sums, target), g.op('Less', [sums, last(g, sums)])])
  return g.sum(g.cast(before, 'int64'), [1])
}

/** The last column. */
function last(g: Graph, x: Tensor): Tensor {
  const columns = x.shape[1] as number
  return g.op('Slice', [x, g.ints([columns - 1]), g.ints([columns]), g.ints([1])], { shape: [x.shape[0]!, 1] })
}
