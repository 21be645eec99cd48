import { checkpoint } from '../graph/autodiff.ts'
import type { Graph } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import { rotaryTables, type RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'

/** Added to the scores of positions a token may not see; far enough down for exp() to be 0, and finite. */
const MASKED = -1e9

export interface TrainingLayersOptions {
  /** Longest row, in tokens, that the graph will be fed. */
  maxTokens: number
  /** Compute each layer again in the backward pass instead of keeping its activations. */
  recompute?: boolean | undefined
}

/**
 * Layers over whole, padded sequences, with gradients. Adds the inputs `ids`, `positions` and `mask`
 * ([B,T] int64; mask 1 where a token is real) and one input a parameter.
 */
export class TrainingLayers implements Layers {
  readonly g: Graph
  readonly positions: Tensor
  readonly parameters: ReadonlyMap<string, Tensor>
  private readonly ids: Tensor
  private readonly mask: Tensor
  private readonly options: TrainingLayersOptions

  constructor(g: Graph, model: Model, options: TrainingLayersOptions) {
    this.g = g
    this.options = options
    this.parameters = new Map([...model.parameters].map(([name, shape]) => [name, g.input(name, 'float32', shape)]))
    this.ids = g.input('ids', 'int64', ['B', 'T'])
    this.positions = g.input('positions', 'int64', ['B', 'T'])
    this.mask = g.input('mask', 'int64', ['B', 'T'])
    g.nameDimension('B', () => g.sizeOf(this.ids, 0))
    g.nameDimension('T', () => g.sizeOf(this.ids, 1))
  }

  parameter(name: string): Tensor {
    return this.parameters.get(name)!
  }

  embed(name: string, ids = this.ids): Tensor {
    const table = this.parameter(name)
    return this.g.reshape(this.g.gather(table, ids), ['N', table.shape[1]!])
  }

  linear(x: Tensor, name: string, layout?: nn.WeightLayout): Tensor {
    return nn.linear(this.g, x, this.parameter(`${name}.weight`), this.parameters.get(`${name}.bias`), layout)
  }

  rotate(x: Tensor, headSize: number, spec: RotarySpec): Tensor {
    const width = x.shape[1]!
    const { cos, sin } = this.rotary(headSize, spec)
    const rows = this.g.reshape(x, ['B', 'T', width])
    return this.g.reshape(this.g.op('RotaryEmbedding', [rows, this.positions, cos, sin]), ['N', width])
  }

  private readonly rotaryCache = new Map<string, { cos: Tensor; sin: Tensor }>()
  private rotary(headSize: number, spec: RotarySpec) {
    const key = `${headSize}${JSON.stringify(spec)}`
    const known = this.rotaryCache.get(key)
    if (known) return known
    const { maxTokens } = this.options
    const { cos, sin } = rotaryTables(spec, headSize, maxTokens)
    const shape = [maxTokens, headSize / 2]
    const tables = { cos: this.g.constant(cos, shape), sin: this.g.constant(sin, shape) }
    this.rotaryCache.set(key, tables)
    return tables
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
    if (!this.options.recompute) return body(x)
    const own = [...this.parameters].filter(([name]) => name.startsWith(parameterPrefix)).map(([, tensor]) => tensor)
    return checkpoint(this.g, x, own, body)
  }
}
