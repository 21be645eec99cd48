import { MASKED } from '../engines/training-layers.ts'
import { TokenLayers } from '../engines/token-layers.ts'
import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'

/**
 * Layers over texts that begin alike, without gradients: what the texts of a group share is computed once. Every token
 * is one row of all products, without padding; only attention sees the groups.
 *
 * Inputs beside the parameters: `ids` and `positions` ([N,1] int64: the tokens to compute), `shared` ([Q,P] int64:
 * which of them each of Q groups shares), `own` ([Q,A,S] int64: which are of each of its A texts alone; both padded on
 * the right), `shared_lengths` ([Q] int64), and `place` ([N] int64: where each token is in Q·P shared and then Q·A·S own
 * places).
 */
export class PrefixLayers extends TokenLayers implements Layers {
  private readonly shared: Tensor
  private readonly own: Tensor
  private readonly sharedLengths: Tensor
  private readonly place: Tensor

  constructor(g: Graph, model: Model, maxTokens: number) {
    super(g, model, { width: 'T', maxPositions: maxTokens })
    this.shared = g.input('shared', 'int64', ['Q', 'P'])
    this.own = g.input('own', 'int64', ['Q', 'A', 'S'])
    this.sharedLengths = g.input('shared_lengths', 'int64', ['Q'])
    this.place = g.input('place', 'int64', ['N'])
    g.nameDimension('Q', () => g.sizeOf(this.shared, 0))
    g.nameDimension('P', () => g.sizeOf(this.shared, 1))
    g.nameDimension('A', () => g.sizeOf(this.own, 1))
    g.nameDimension('S', () => g.sizeOf(this.own, 2))
  }

  attention(unplacedQ: Tensor, unplacedK: Tensor, v: Tensor, shape: AttentionShape): Tensor {
    const { g } = this
    const [q, k] = [this.rotate(unplacedQ, shape), this.rotate(unplacedK, shape)]
    const { heads, kvHeads, headSize, window } = shape
    const width = heads * headSize
    const [sharedK, sharedV] = [k, v].map((x) =>
      g.transpose(g.reshape(g.gather(x, this.shared), ['Q', 'P', kvHeads, headSize]), [0, 2, 1, 3]),
    ) as [Tensor, Tensor] // [Q,K,P,D]
    const [ownK, ownV] = [k, v].map((x) =>
      g.transpose(g.reshape(g.gather(x, this.own), ['Q', 'A', 'S', kvHeads, headSize]), [0, 3, 1, 2, 4]),
    ) as [Tensor, Tensor] // [Q,K,A,S,D]
    const bias = this.biases(window)
    const parts = [
      g.reshape(this.amongShared(q, sharedK, sharedV, bias.shared, shape), ['QP', width]),
      g.reshape(this.fromOwn(q, [sharedK, sharedV], [ownK, ownV], bias, shape), ['QAS', width]),
    ]
    return g.gather(g.concat(parts, 0, ['places', width]), this.place) // [N, heads·D]
  }

  /** What the shared tokens see: each other. → [Q,P,K,G,D] */
  private amongShared(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, shape: AttentionShape): Tensor {
    const { g } = this
    const { kvHeads, headSize, scale, heads } = shape
    const group = heads / kvHeads
    const rows = this.times(group, 'P')
    const queries = g.reshape(g.gather(q, this.shared), ['Q', 'P', kvHeads, group, headSize])
    const grouped = g.reshape(g.transpose(queries, [0, 2, 3, 1, 4]), ['Q', kvHeads, rows, headSize])
    const scores = g.reshape(g.matmul(grouped, k, { transB: true, alpha: scale }), ['Q', kvHeads, group, 'P', 'P'])
    const probabilities = this.softmax(g.add(scores, bias))
    const out = g.matmul(g.reshape(probabilities, ['Q', kvHeads, rows, 'P']), v)
    return g.transpose(g.reshape(out, ['Q', kvHeads, group, 'P', headSize]), [0, 3, 1, 2, 4])
  }

  /** What each text's own tokens see: those shared, and those before them of the same text. → [Q,A,S,K,G,D] */
  private fromOwn(
    q: Tensor,
    [sharedK, sharedV]: readonly [Tensor, Tensor],
    [ownK, ownV]: readonly [Tensor, Tensor],
    bias: { toShared: Tensor; toOwn: Tensor },
    { heads, kvHeads, headSize, scale }: AttentionShape,
  ): Tensor {
    const { g } = this
    const group = heads / kvHeads
    const rows = this.times(group, 'S')
    const all = this.timesNamed('A', rows)
    const queries = g.reshape(g.gather(q, this.own), ['Q', 'A', 'S', kvHeads, group, headSize])
    const grouped = g.transpose(queries, [0, 3, 1, 4, 2, 5]) // [Q,K,A,G,S,D]
    const toAll = g.reshape(grouped, ['Q', kvHeads, all, headSize])
    const toText = g.reshape(grouped, ['Q', kvHeads, 'A', rows, headSize])
    const scoresOf = (x: Tensor, keys: Tensor, length: string) =>
      g.reshape(g.matmul(x, keys, { transB: true, alpha: scale }), ['Q', kvHeads, 'A', group, 'S', length])
    const scores = [g.add(scoresOf(toAll, sharedK, 'P'), bias.toShared), g.add(scoresOf(toText, ownK, 'S'), bias.toOwn)]
    const probabilities = this.softmax(g.concat(scores, 5, ['Q', kvHeads, 'A', group, 'S', 'P+S']))
    const columns = (from: Tensor, to: Tensor, length: string) =>
      g.op('Slice', [probabilities, from, to, g.ints([5])], { shape: ['Q', kvHeads, 'A', group, 'S', length] })
    const end = g.op('Add', [g.dimension('P'), g.dimension('S')])
    const onShared = g.reshape(columns(g.ints([0]), g.dimension('P'), 'P'), ['Q', kvHeads, all, 'P'])
    const onOwn = g.reshape(columns(g.dimension('P'), end, 'S'), ['Q', kvHeads, 'A', rows, 'S'])
    const places = ['Q', kvHeads, 'A', group, 'S', headSize]
    const out = g.add(g.reshape(g.matmul(onShared, sharedV), places), g.reshape(g.matmul(onOwn, ownV), places))
    return g.transpose(out, [0, 2, 4, 1, 3, 5])
  }

  /** 0 where a token may look, MASKED where not: at what comes later, at padding, out of the window. */
  private biases(window?: number): Record<'shared' | 'toShared' | 'toOwn', Tensor> {
    const { g } = this
    const range = (size: string) => {
      const end = g.op('Squeeze', [g.dimension(size)], { shape: [] })
      return g.op('Range', [g.ints(0), end, g.ints(1)], { shape: [size] })
    }
    const column = (x: Tensor, shape: (string | number)[]) => g.reshape(x, shape)
    const bias = (row: Tensor, col: Tensor, visible: Tensor) => {
      const near = window && g.op('Less', [g.op('Sub', [row, col]), g.ints([window])])
      return g.where(near ? g.op('And', [visible, near]) : visible, g.scalar(0), g.scalar(MASKED))
    }
    const causal = (size: string) => {
      const [row, col] = [column(range(size), [size, 1]), range(size)]
      return bias(row, col, g.lessOrEqual(col, row))
    }
    const lengths = column(this.sharedLengths, ['Q', 1, 1, 1, 1, 1])
    const ownPositions = g.op('Add', [lengths, column(range('S'), ['S', 1])]) // [Q,1,1,1,S,1]
    return {
      shared: causal('P'), // [P,P]
      toShared: bias(ownPositions, range('P'), g.op('Less', [range('P'), lengths])), // [Q,1,1,1,1 or S,P]
      toOwn: causal('S'), // [S,S]
    }
  }

  private softmax(x: Tensor): Tensor {
    return this.g.op('Softmax', [x], { attributes: { axis: -1 } })
  }

  /** The name of a size so many times another. */
  private times(factor: number, size: string): string {
    if (factor === 1) return size
    const name = `${factor}${size}`
    this.g.nameDimension(name, () => this.g.op('Mul', [this.g.dimension(size), this.g.ints([factor])]))
    return name
  }

  private timesNamed(a: string, b: string): string {
    const name = `${a}·${b}`
    this.g.nameDimension(name, () => this.g.op('Mul', [this.g.dimension(a), this.g.dimension(b)]))
    return name
  }

  block(x: Tensor, _parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor {
    return body(x)
  }
}
