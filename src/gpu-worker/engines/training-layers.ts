import { checkpoint } from '../graph/autodiff.ts'
import type { Recompute } from '../../core/schemas/training.ts'
import type { Graph, Keeps } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'
import { longestSequence } from './batch.ts'
import { TokenLayers } from './token-layers.ts'

/** Added to the scores of positions a token may not see; far enough down for exp() to be 0, and finite. */
export const MASKED = -1e9

/** What a layer keeps for the backward pass, by what is computed again; null: everything. */
const KEEPS = {
  nothing: null,
  // Products are dear, apart from attention's scores: T×T a head, they are computed again sooner than kept.
  cheap: (op, shape) => op === 'Gemm' || (op === 'FusedMatMul' && shape.at(-1) !== 'T'),
  all: () => false,
} satisfies Record<Recompute, Keeps | null>

export interface TrainingLayersOptions {
  /** Longest row, in tokens, that the graph will be fed; bundles of rows may be longer. */
  maxTokens: number
  /** What of each layer the backward pass computes again instead of keeping it. */
  recompute?: Recompute | undefined
}

/**
 * Layers over whole, padded sequences, with gradients. Adds the inputs `ids`, `positions` and `segments`
 * ([B,T] int64; segment 0 is seen from all that comes after it in its sequence, −1 is padding, any other is seen from
 * within itself) and one input a parameter.
 */
export class TrainingLayers extends TokenLayers implements Layers {
  private readonly segments: Tensor
  private readonly recompute: Recompute

  constructor(g: Graph, model: Model, { maxTokens, recompute = 'nothing' }: TrainingLayersOptions) {
    super(g, model, { width: 'T', maxPositions: longestSequence(maxTokens) })
    this.recompute = recompute
    this.segments = g.input('segments', 'int64', ['B', 'T'])
  }

  attention(q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): Tensor {
    const { g } = this
    const { heads, kvHeads, headSize, scale, window } = shape
    const group = heads / kvHeads
    const queries = group === 1 ? 'T' : `${group}T`
    if (group > 1) g.nameDimension(queries, () => g.op('Mul', [g.dimension('T'), g.ints([group])]))
    const grouped = g.transpose(g.reshape(this.rotate(q, shape), ['B', 'T', kvHeads, group, headSize]), [0, 2, 3, 1, 4]) // [B,K,G,T,D]
    const split = (x: Tensor) => g.transpose(g.reshape(x, ['B', 'T', kvHeads, headSize]), [0, 2, 1, 3]) // [B,K,T,D]
    const scores = ['B', kvHeads, group, 'T', 'T']
    const out = nn.attention(g, {
      q: g.reshape(grouped, ['B', kvHeads, queries, headSize]),
      k: split(this.rotate(k, shape)),
      v: split(v),
      // At full size: every layer adds it, and ONNX Runtime is five times slower at adding it broadcast.
      bias: g.untaped(() => g.expand(this.attentionBias(window), scores)),
      alpha: scale,
      scores,
    }) // [B,K,G·T,D]
    const back = g.transpose(g.reshape(out, ['B', kvHeads, group, 'T', headSize]), [0, 3, 1, 2, 4]) // [B,T,K,G,D]
    return g.reshape(back, ['N', heads * headSize])
  }

  /** 0 where a token may look, MASKED where not: at what comes later, at another row, out of the window. [B,1,1,T,T] */
  private attentionBias(window?: number): Tensor {
    const { g } = this
    return g.untaped(() => {
      const length = g.op('Squeeze', [g.dimension('T')], { shape: [] })
      const column = g.op('Range', [g.ints(0), length, g.ints(1)], { shape: ['T'] })
      const row = g.op('Unsqueeze', [column, g.ints([1])], { shape: ['T', 1] })
      const seeing = (x: Tensor) => g.op('Unsqueeze', [x, g.ints([1, 2, 4])], { shape: ['B', 1, 1, 'T', 1] })
      const seen = (x: Tensor) => g.op('Unsqueeze', [x, g.ints([1, 2, 3])], { shape: ['B', 1, 1, 1, 'T'] })
      const [own, other] = [seeing(this.segments), seen(this.segments)]
      const related = g.op('Or', [g.op('Equal', [other, g.ints(0)]), g.op('Equal', [own, other])])
      let visible = g.op('And', [g.lessOrEqual(column, row), related])
      if (window) {
        const back = g.op('Sub', [seeing(this.positions), seen(this.positions)])
        visible = g.op('And', [visible, g.op('Less', [back, g.ints([window])])])
      }
      return g.where(visible, g.scalar(0), g.scalar(MASKED))
    })
  }

  block(x: Tensor, parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor {
    const keeps = KEEPS[this.recompute]
    if (!keeps) return body(x)
    const own = [...this.parameters].filter(([name]) => name.startsWith(parameterPrefix)).map(([, tensor]) => tensor)
    return checkpoint(this.g, x, own, keeps, body)
  }
}
