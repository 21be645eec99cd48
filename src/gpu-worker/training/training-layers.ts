import type { Recompute } from '../../core/schemas/training.ts'
import { checkpoint } from '../graph/autodiff.ts'
import type { Graph, Keeps } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import type { Dim, Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'
import { PrefixTokens } from './prefix-tokens.ts'
import { TokenLayers } from './token-layers.ts'

/** Added to the scores of positions a token may not see; far enough down for exp() to be 0, and finite. */
export const MASKED = -1e9

/** What a layer keeps for the backward pass, by what is computed again; null: everything. */
const KEEPS = {
  nothing: null,
  // Products are dear, apart from attention's scores, tokens × tokens a head: computed again sooner than kept.
  cheap: (op, shape) => op === 'Gemm' || (op === 'FusedMatMul' && typeof shape.at(-1) === 'number'),
  all: () => false,
} satisfies Record<Recompute, Keeps | null>

export interface TrainingLayersOptions {
  /** Longest text, in tokens, that the graph will be fed. */
  maxTokens: number
  /** What of each layer the backward pass computes again instead of keeping it. */
  recompute?: Recompute | undefined
  /** Tokens at the end of every text that are not computed, since nothing is predicted from them. */
  unread?: number
}

/** Queries, keys and values of some tokens, [Q,…] each. */
type Projected = readonly [q: Tensor, k: Tensor, v: Tensor]

/**
 * Layers over whole texts, with gradients. What the texts of a group share is computed once, and every token is one row
 * of all products, without padding: only attention sees the groups. Inputs: one a parameter, and those of a
 * {@link PrefixBatch}.
 */
export class TrainingLayers extends TokenLayers implements Layers {
  private readonly tokens: PrefixTokens
  private readonly recompute: Recompute
  private readonly unread: number

  constructor(g: Graph, model: Model, { maxTokens, recompute = 'nothing', unread = 0 }: TrainingLayersOptions) {
    super(g, model, { width: 'T', maxPositions: maxTokens })
    this.recompute = recompute
    this.unread = unread
    this.tokens = new PrefixTokens(g)
  }

  attention(q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): Tensor {
    const { tokens } = this
    const { rotary } = shape
    const turned = rotary ? [q, k].map((x) => this.rotate(x, shape.headSize, rotary)) : [q, k]
    const all = [...turned, v]
    const shared = all.map((x) => tokens.shared(x)) as unknown as Projected // [Q,P,F]
    const own = all.map((x) => tokens.own(x)) as unknown as Projected // [Q,A,S,F]
    const [ownQ, ...keys] = own
    const seen = keys.map((x, i) => tokens.behindShared(shared[i + 1]!, x)) as [Tensor, Tensor] // [Q,A,P+S,F]
    return tokens.collect(
      this.among(shared, ['Q'], ['P', 'P'], this.causal(shape.window), shape),
      this.among([ownQ, ...seen], ['Q', 'A'], ['S', 'P+S'], this.fromOwn(shape.window), shape),
    )
  }

  /**
   * Attention within each text.
   * @param batch the sizes that count texts
   * @param lengths of queries, and of keys and values
   * @param bias added to the scores, [queries, keys] or with what is before it
   */
  private among(
    [q, k, v]: Projected,
    batch: readonly Dim[],
    [queries, keys]: readonly [string, string],
    bias: Tensor,
    { heads, kvHeads, headSize, scale, cap }: AttentionShape,
  ): Tensor {
    const { g } = this
    const group = heads / kvHeads
    const b = batch.length
    const before = [...batch.keys()]
    const split = (x: Tensor) =>
      g.transpose(g.reshape(x, [...batch, keys, kvHeads, headSize]), [...before, b + 1, b, b + 2]) // [B,K,T,D]
    const grouped = g.transpose(g.reshape(q, [...batch, queries, kvHeads, group, headSize]), [
      ...before,
      b + 1,
      b + 2,
      b,
      b + 3,
    ]) // [B,K,G,T,D]
    const scores = [...batch, kvHeads, group, queries, keys]
    const out = nn.attention(g, {
      q: g.reshape(grouped, [...batch, kvHeads, this.times(group, queries), headSize]),
      k: split(k),
      v: split(v),
      // At full size: every layer adds it, and ONNX Runtime is five times slower at adding it broadcast.
      bias: g.untaped(() => g.expand(bias, scores)),
      alpha: scale,
      cap,
      scores,
    }) // [B,K,G·T,D]
    const perHead = g.reshape(out, [...batch, kvHeads, group, queries, headSize])
    const back = g.transpose(perHead, [...before, b + 2, b, b + 1, b + 3]) // [B,T,K,G,D]
    return g.reshape(back, [...batch, queries, heads * headSize])
  }

  protected textLengths(): Tensor {
    return this.g.op('Add', [this.tokens.lastPositions(this.positions), this.g.ints([1 + this.unread])])
  }

  /** 0 where a shared token may look, MASKED where not: at what comes later, or is out of the window. [P,P] */
  private causal(window?: number): Tensor {
    const { g } = this
    return g.untaped(() => this.bias(this.range('P', 1), this.range('P'), window))
  }

  /** The same of each text's own tokens, to those shared and to its own. [Q,1,1,1,S,P+S] */
  private fromOwn(window?: number): Tensor {
    const { g, tokens } = this
    return g.untaped(() => {
      const lengths = g.reshape(tokens.sharedLengths, ['Q', 1, 1, 1, 1, 1])
      const own = g.op('Add', [lengths, this.range('S', 1)]) // [Q,1,1,1,S,1]
      const column = this.range('P+S')
      // A place among those shared is a position; after them, own ones begin.
      const isShared = g.op('Less', [column, g.dimension('P')])
      const position = g.where(isShared, column, g.op('Add', [g.op('Sub', [column, g.dimension('P')]), lengths]))
      const empty = g.op('And', [isShared, g.lessOrEqual(lengths, column)])
      return g.where(empty, g.scalar(MASKED), this.bias(own, position, window))
    })
  }

  private bias(row: Tensor, column: Tensor, window?: number): Tensor {
    const { g } = this
    const past = g.lessOrEqual(column, row)
    const near = window && g.op('Less', [g.op('Sub', [row, column]), g.ints([window])])
    return g.where(near ? g.op('And', [past, near]) : past, g.scalar(0), g.scalar(MASKED))
  }

  /** 0, 1, … of a size, with axes of 1 after it. */
  private range(size: string, after = 0): Tensor {
    const { g } = this
    const end = g.op('Squeeze', [g.dimension(size)], { shape: [] })
    const range = g.op('Range', [g.ints(0), end, g.ints(1)], { shape: [size] })
    return after ? g.reshape(range, [size, ...Array<number>(after).fill(1)]) : range
  }

  /** The name of a size so many times another. */
  private times(factor: number, size: string): string {
    if (factor === 1) return size
    const name = `${factor}${size}`
    this.g.nameDimension(name, () => this.g.op('Mul', [this.g.dimension(size), this.g.ints([factor])]))
    return name
  }

  block(x: Tensor, parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor {
    const keeps = KEEPS[this.recompute]
    if (!keeps) return body(x)
    const own = [...this.parameters].filter(([name]) => name.startsWith(parameterPrefix)).map(([, tensor]) => tensor)
    return checkpoint(this.g, x, own, keeps, body)
  }
}
