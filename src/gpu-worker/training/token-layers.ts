import type { Graph } from '../graph/graph.ts'
import * as nn from '../graph/nn.ts'
import { rotatedWidth, rotaryTables, type RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { Adapter, Model } from '../models/model.ts'

/**
 * What training and generation have alike: the inputs `ids` and `positions` ([B, width] int64), one input a
 * parameter, and what reads them.
 */
export abstract class TokenLayers {
  readonly g: Graph
  readonly positions: Tensor
  readonly parameters: ReadonlyMap<string, Tensor>
  private readonly adapter: Adapter | undefined
  protected readonly ids: Tensor
  private readonly width: string
  private readonly maxPositions: number
  private readonly constants = new Map<string, Tensor>()

  /** @param width the name of a row's length, in tokens; `maxPositions` the longest it will be with what is cached */
  constructor(g: Graph, model: Model, { width, maxPositions }: { width: string; maxPositions: number }) {
    this.g = g
    this.adapter = model.adapter
    this.width = width
    this.maxPositions = maxPositions
    this.parameters = new Map([...model.parameters].map(([name, shape]) => [name, g.input(name, 'float32', shape)]))
    this.ids = g.input('ids', 'int64', ['B', width])
    this.positions = g.input('positions', 'int64', ['B', width])
    g.nameDimension('N', () => g.op('Mul', [g.dimension('B'), g.dimension(width)]))
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

  rotate(x: Tensor, headSize: number, rotary: RotarySpec): Tensor {
    const { g, width } = this
    const features = x.shape[1]!
    const turned = rotatedWidth(rotary)
    const [cos, sin, rows] = rotary.inLongTexts ? this.anglesOfTexts(rotary) : this.anglesOfPositions(rotary)
    const attributes = {
      num_heads: (features as number) / headSize,
      interleaved: Number(rotary.interleaved ?? false),
      rotary_embedding_dim: turned === headSize ? 0 : turned,
    }
    const y = g.op('RotaryEmbedding', [g.reshape(x, ['B', width, features]), rows, cos, sin], { attributes })
    return g.reshape(y, ['N', features])
  }

  byPosition(name: string, numberOf: (position: number) => number): Tensor {
    const table = this.constant(`by position: ${name}`, () =>
      this.g.constant(
        Float32Array.from({ length: this.maxPositions }, (_, p) => numberOf(p)),
        [this.maxPositions, 1],
      ),
    )
    return this.g.reshape(this.g.gather(table, this.positions), ['N', 1])
  }

  afterHead({ headBias, logitCap }: Model): nn.AfterHead {
    return { bias: headBias === undefined ? undefined : this.parameter(headBias), cap: logitCap }
  }

  /** How many tokens the text of each token has, [N,1] int64. */
  protected abstract textLengths(): Tensor

  /** cos and sin of the angles, [maxPositions, columns] each; columns after the last pair belong to none. */
  protected rotaryTables(spec: RotarySpec, columns = rotatedWidth(spec) / 2): { cos: Tensor; sin: Tensor } {
    const shape = [this.maxPositions, columns]
    const table = (part: 'cos' | 'sin') =>
      this.constant(`${part} ${columns} ${JSON.stringify(spec)}`, () =>
        this.g.constant(rotaryTables(spec, this.maxPositions, columns)[part], shape),
      )
    return { cos: table('cos'), sin: table('sin') }
  }

  /** cos, sin and the row of each token in them, [B, width]. */
  private anglesOfPositions(rotary: RotarySpec): [Tensor, Tensor, Tensor] {
    const { cos, sin } = this.rotaryTables(rotary)
    return [cos, sin, this.positions]
  }

  /** The same of a rotation that depends on a text's length: every token has a row of its own. */
  private anglesOfTexts(rotary: RotarySpec): [Tensor, Tensor, Tensor] {
    const { g } = this
    return g.untaped(() => {
      const position = g.cast(g.reshape(this.positions, ['N', 1]), 'float32')
      const angles = g.mul(position, frequenciesByLength(g, this.textLengths(), rotary)) // [N, pairs]
      const magnitude = g.scalar(rotary.magnitude ?? 1)
      const [cos, sin] = (['Cos', 'Sin'] as const).map((op) => g.mul(g.op(op, [angles]), magnitude))
      const end = g.op('Squeeze', [g.dimension('N')], { shape: [] })
      const rows = g.op('Range', [g.ints(0), end, g.ints(1)], { shape: ['N'] })
      return [cos!, sin!, g.reshape(rows, ['B', this.width])]
    })
  }

  private constant(key: string, make: () => Tensor): Tensor {
    const known = this.constants.get(key)
    if (known) return known
    const made = make()
    this.constants.set(key, made)
    return made
  }
}

/** Radians a position of every pair, [N, pairs], of texts of `lengths` tokens ([N,1] int64). */
function frequenciesByLength(g: Graph, lengths: Tensor, { frequencies, inLongTexts }: RotarySpec): Tensor {
  const row = (numbers: readonly number[]) => g.constant(Float32Array.from(numbers), [1, numbers.length])
  const usual = row(frequencies)
  const { above, ...long } = inLongTexts!
  if ('frequencies' in long) {
    return g.where(g.lessOrEqual(lengths, g.ints([above])), usual, row(long.frequencies))
  }
  // Of a base that is r times as large, pair i has its frequency by r^(−2i/d), where r = s^(d/(d−2)).
  const width = 2 * frequencies.length
  const length = g.max(g.cast(lengths, 'float32'), g.scalar(above))
  const stretch = g.sub(g.mul(length, g.scalar(long.factor / above)), g.scalar(long.factor - 1)) // [N,1]
  const exponents = row(frequencies.map((_, i) => (-2 * i) / (width - 2)))
  return g.mul(usual, g.exp(g.mul(g.log(stretch), exponents)))
}
