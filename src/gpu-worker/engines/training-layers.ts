import { checkpoint } from '../graph/autodiff.ts'
import type { Graph, Keeps } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'
import { TokenLayers } from './token-layers.ts'

/** Added to the scores of positions a token may not see; far enough down for exp() to be 0, and finite. */
export const MASKED = -1e9

const NOTHING: Keeps = () => false
/** Products, apart from attention's scores: T×T a head, they are computed again sooner than kept. So is all the rest. */
const DEAR: Keeps = (op, shape) => op === 'Gemm' || (op === 'FusedMatMul' && shape.at(-1) !== 'T')

export interface TrainingLayersOptions {
  /** Longest row, in tokens, that the graph will be fed. */
  maxTokens: number
  /** Compute each layer whole again in the backward pass, its products included, instead of keeping those. */
  recompute?: boolean | undefined
}

/**
 * Layers over whole, padded sequences, with gradients. Adds the inputs `ids`, `positions` and `mask`
 * ([B,T] int64; mask 1 where a token is real) and one input a parameter.
 */
export class TrainingLayers extends TokenLayers implements Layers {
  private readonly mask: Tensor
  private readonly recompute: boolean

  constructor(g: Graph, model: Model, { maxTokens, recompute = false }: TrainingLayersOptions) {
    super(g, model, { width: 'T', maxPositions: maxTokens })
    this.recompute = recompute
    this.mask = g.input('mask', 'int64', ['B', 'T'])
  }

  linear(x: Tensor, name: string, layout?: nn.WeightLayout): Tensor {
    const { g } = this
    const y = nn.linear(g, x, this.parameter(`${name}.weight`), this.parameters.get(`${name}.bias`), layout)
    const low = this.adapterOn(name)
    if (!low) return y
    const narrow = g.matmul(x, low.a, { transB: true }) // [N,rank]
    return g.matmulInto(y, narrow, low.b, { transA: false, transB: true, alpha: low.scale })
  }

  attention(q: Tensor, k: Tensor, v: Tensor, { heads, kvHeads, headSize, scale, window }: AttentionShape): Tensor {
    const { g } = this
    const group = heads / kvHeads
    const queries = group === 1 ? 'T' : `${group}T`
    if (group > 1) g.nameDimension(queries, () => g.op('Mul', [g.dimension('T'), g.ints([group])]))
    const grouped = g.transpose(g.reshape(q, ['B', 'T', kvHeads, group, headSize]), [0, 2, 3, 1, 4]) // [B,K,G,T,D]
    const split = (x: Tensor) => g.transpose(g.reshape(x, ['B', 'T', kvHeads, headSize]), [0, 2, 1, 3]) // [B,K,T,D]
    const out = nn.attention(g, {
      q: g.reshape(grouped, ['B', kvHeads, queries, headSize]),
      k: split(k),
      v: split(v),
      bias: this.attentionBias(window),
      alpha: scale,
      scores: ['B', kvHeads, group, 'T', 'T'],
    }) // [B,K,G·T,D]
    const back = g.transpose(g.reshape(out, ['B', kvHeads, group, 'T', headSize]), [0, 3, 1, 2, 4]) // [B,T,K,G,D]
    return g.reshape(back, ['N', heads * headSize])
  }

  /** 0 where a token may look, MASKED where not: at what comes later, at padding, out of the window. [B,1,1,T,T] */
  private attentionBias(window?: number): Tensor {
    const { g } = this
    return g.untaped(() => {
      const length = g.op('Squeeze', [g.dimension('T')], { shape: [] })
      const column = g.op('Range', [g.ints(0), length, g.ints(1)], { shape: ['T'] })
      const row = g.op('Unsqueeze', [column, g.ints([1])], { shape: ['T', 1] })
      const real = g.cast(g.op('Unsqueeze', [this.mask, g.ints([1, 2, 3])], { shape: ['B', 1, 1, 1, 'T'] }), 'bool')
      let visible = g.op('And', [g.lessOrEqual(column, row), real])
      if (window) {
        const near = g.op('Less', [g.op('Sub', [row, column]), g.ints([window])])
        visible = g.op('And', [near, visible])
      }
      return g.where(visible, g.scalar(0), g.scalar(MASKED))
    })
  }

  block(x: Tensor, parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor {
    const own = [...this.parameters].filter(([name]) => name.startsWith(parameterPrefix)).map(([, tensor]) => tensor)
    return checkpoint(this.g, x, own, this.recompute ? NOTHING : DEAR, body)
  }
}
