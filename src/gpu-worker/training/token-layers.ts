import type { Graph } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import { rotaryTables, type RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { Adapter, AttentionShape, Model } from '../models/model.ts'

/**
 * What training and generation have alike: the inputs `ids` and `positions` ([B, width] int64), one input a
 * parameter, and what reads them.
 */
export class TokenLayers {
  readonly g: Graph
  readonly positions: Tensor
  readonly parameters: ReadonlyMap<string, Tensor>
  private readonly adapter: Adapter | undefined
  protected readonly ids: Tensor
  private readonly width: string
  private readonly maxPositions: number
  private readonly rotaryConstants = new Map<string, { cos: Tensor; sin: Tensor }>()

  /** @param width the name of a row's length, in tokens; `maxPositions` the longest it will be with what is cached */
  constructor(g: Graph, model: Model, { width, maxPositions }: { width: string; maxPositions: number }) {
    this.g = g
    this.adapter = model.adapter
    this.width = width
    this.maxPositions = maxPositions
    this.parameters = new Map([...model.parameters].map(([name, shape]) => [name, g.input(name, 'float32', shape)]))
    this.ids = g.input('ids', 'int64', ['B', width])
    this.positions = g.input('positions', 'int64', ['B', width])
    g.nameDimension('B', () => g.sizeOf(this.ids, 0))
    g.nameDimension(width, () => g.sizeOf(this.ids, 1))
  }

  parameter(name: string): Tensor {
    return this.parameters.get(name)!
  }

  /** The low-rank matrices beside a projection, A [rank,in] and B [out,rank], and the factor on their product. */
  adapterOn(name: string): { a: Tensor; b: Tensor; scale: number } | null {
    if (!this.adapter?.targets.has(name)) return null
    const [a, b] = [this.parameter(`${name}.lora_A.weight`), this.parameter(`${name}.lora_B.weight`)]
    return { a, b, scale: this.adapter.alpha / this.adapter.rank }
  }

  embed(name: string, ids = this.ids): Tensor {
    const table = this.parameter(name)
    return this.g.reshape(this.g.gather(table, ids), ['N', table.shape[1]!])
  }

  /** By the weight as it lies, and its adapter where it has one; decoding has a way of its own. */
  linear(x: Tensor, name: string, layout?: nn.WeightLayout): Tensor {
    const { g } = this
    const y = nn.linear(g, x, this.parameter(`${name}.weight`), this.parameters.get(`${name}.bias`), layout)
    const low = this.adapterOn(name)
    if (!low) return y
    const narrow = g.matmul(x, low.a, { transB: true }) // [N,rank]
    return g.matmulInto(y, narrow, low.b, { transA: false, transB: true, alpha: low.scale })
  }

  /** Rotates pairs of [N, heads·headSize] by position, where the model does. */
  protected rotate(x: Tensor, { headSize, rotary }: Pick<AttentionShape, 'headSize' | 'rotary'>): Tensor {
    if (!rotary) return x
    const features = x.shape[1]!
    const { cos, sin } = this.rotaryTables(headSize, rotary)
    const rows = this.g.reshape(x, ['B', this.width, features])
    return this.g.reshape(this.g.op('RotaryEmbedding', [rows, this.positions, cos, sin]), ['N', features])
  }

  /** cos and sin of the angles, [maxPositions, columns] each; columns after headSize/2 belong to no pair. */
  protected rotaryTables(headSize: number, spec: RotarySpec, columns = headSize / 2): { cos: Tensor; sin: Tensor } {
    const key = `${headSize}${JSON.stringify(spec)}`
    const known = this.rotaryConstants.get(key)
    if (known) return known
    const { cos, sin } = rotaryTables(spec, headSize, this.maxPositions, columns)
    const shape = [this.maxPositions, columns]
    const constants = { cos: this.g.constant(cos, shape), sin: this.g.constant(sin, shape) }
    this.rotaryConstants.set(key, constants)
    return constants
  }
}
