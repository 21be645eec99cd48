import type { Graph } from '../graph/graph.ts'
import type { WeightLayout } from '../graph/nn.ts'
import { rotatedWidth, type RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { AttentionShape, Layers, Model } from '../models/model.ts'
import { TokenLayers } from '../training/token-layers.ts'
import { Q8_BLOCK, type Q8Matrix } from '../weights/q8-matrix.ts'
import { columnsOf } from './column-graph.ts'
import type { Matrices } from './quantise-weights.ts'

/** The cache's head size: what ONNX Runtime's kernel takes is a multiple of 16, the rest stays zero. */
export const paddedHeadSize = (headSize: number): number => Math.ceil(headSize / 16) * 16

/** Names of the cache's inputs and outputs, a pair a layer. */
export const cacheNames = (model: Model): string[] =>
  Array.from({ length: model.layers }, (_, i) => [`cache_k:${i}`, `cache_v:${i}`]).flat()

/**
 * Layers over new tokens and a key/value cache. Inputs: parameters, `ids` and `positions` ([B,S] int64),
 * `last` ([B] int32: index of each row's last token), `total` (int32 scalar: longest row, new tokens
 * included), and the cache, [B, kvHeads, capacity, paddedHeadSize] each, which the outputs extend in place.
 * Parameters among `matrices` are no inputs, but constants.
 */
export class DecodeLayers extends TokenLayers implements Layers {
  private readonly last: Tensor
  private readonly total: Tensor
  private readonly cache: Tensor[]
  private readonly matrices: Matrices
  private layer = 0

  constructor(g: Graph, model: Model, capacity: number, matrices: Matrices = new Map()) {
    const parameters = new Map([...model.parameters].filter(([name]) => !matrices.has(name)))
    super(g, { ...model, parameters }, { width: 'S', maxPositions: capacity })
    this.matrices = matrices
    this.last = g.input('last', 'int32', ['B'])
    this.total = g.input('total', 'int32', [])
    const cacheShape = ['B', model.kvHeads, capacity, paddedHeadSize(model.headSize)]
    this.cache = cacheNames(model).map((name) => g.input(name, 'float32', cacheShape))
  }

  override linear(x: Tensor, name: string, layout?: WeightLayout): Tensor {
    const { g } = this
    const product = this.productBy(x, `${name}.weight`, layout)
    const bias = this.parameters.get(`${name}.bias`)
    const y = bias ? g.add(product, bias) : product
    const low = this.adapterOn(name)
    if (!low) return y
    const narrow = this.product(x, low.a) // [N,rank]
    return g.matmulInto(y, narrow, low.b, { transA: false, transB: true, alpha: low.scale })
  }

  override embed(name: string, ids = this.ids): Tensor {
    const matrix = this.matrices.get(name)
    if (!matrix) return super.embed(name, ids)
    const { g } = this
    const { rows, columns, bytes, scales } = matrix
    const table = g.constant(bytes, [rows, columns])
    const inputs = [table, ids, g.constant(scales, [rows, columns / Q8_BLOCK])]
    const attributes = { bits: 8, block_size: Q8_BLOCK, gather_axis: 0, quantize_axis: 1 }
    return g.reshape(g.op('GatherBlockQuantized', inputs, { attributes }), ['N', columns])
  }

  /** x·Wᵀ by the parameter of that name. */
  productBy(x: Tensor, name: string, layout?: WeightLayout): Tensor {
    const matrix = this.matrices.get(name)
    return matrix ? blockProduct(this.g, x, matrix) : this.product(x, this.parameter(name), layout)
  }

  /** x·Wᵀ as (W·xᵀ)ᵀ: ONNX Runtime packs the second operand at every run, so the small one goes there. */
  private product(x: Tensor, weight: Tensor, layout: WeightLayout = 'out-in'): Tensor {
    const columns = columnsOf(x)
    const transA = layout === 'in-out'
    const product = columns
      ? this.g.matmul(weight, columns, { transA })
      : this.g.matmul(weight, x, { transA, transB: true })
    return this.g.transpose(product, [1, 0])
  }

  attention(q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): Tensor {
    const { g } = this
    const { heads, kvHeads, headSize, scale, window, cap } = shape
    const i = 2 * this.layer++
    const padded = paddedHeadSize(headSize)
    // The kernel can turn whole heads by halves, which costs less than a node for it.
    const rotary = shape.rotary && isOfKernel(shape.rotary, headSize) ? shape.rotary : undefined
    const turned = (x: Tensor) => (shape.rotary && !rotary ? this.rotate(x, headSize, shape.rotary) : x)
    const halves = { halves: Boolean(rotary) }
    const parts = [
      widen(g, turned(q), heads, headSize, halves),
      widen(g, turned(k), kvHeads, headSize, halves),
      widen(g, v, kvHeads, headSize),
    ]
    const width = (heads + 2 * kvHeads) * padded
    const packed = g.reshape(g.concat(parts, 1, ['N', width]), ['B', 'S', width])
    const tables = rotary && this.rotaryTables(rotary, padded / 2)
    const [out, newK, newV] = g.call(
      'GroupQueryAttention',
      [
        ...[packed, null, null, this.cache[i]!, this.cache[i + 1]!, this.last, this.total],
        ...(tables ? [tables.cos, tables.sin, this.positions] : []),
      ],
      {
        attributes: {
          num_heads: heads,
          kv_num_heads: kvHeads,
          scale: { float: scale },
          ...(tables ? { do_rotary: 1 } : {}),
          ...(window ? { local_window_size: window } : {}),
          ...(cap ? { softcap: { float: cap } } : {}),
        },
        shape: ['B', 'S', heads * padded],
      },
    )
    const layer = i / 2
    g.output(`cache_k:${layer}`, newK!)
    g.output(`cache_v:${layer}`, newV!)
    return narrow(g, out!, heads, headSize) // [N, heads·headSize]
  }

  protected textLengths(): Tensor {
    const { g } = this
    const length = g.op('Add', [g.cast(g.reshape(this.last, ['B', 1]), 'int64'), g.ints([1])])
    return g.reshape(g.expand(length, ['B', 'S']), ['N', 1])
  }

  block(x: Tensor, _parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor {
    return body(x)
  }
}

const isOfKernel = (rotary: RotarySpec, headSize: number): boolean =>
  rotatedWidth(rotary) === headSize && !rotary.interleaved && !rotary.inLongTexts

/** x·Wᵀ in whole numbers: level 4 rounds x as well, to 8 bits in blocks of 32. */
function blockProduct(g: Graph, x: Tensor, { rows, columns, bytes, scales }: Q8Matrix): Tensor {
  const blocks = columns / Q8_BLOCK
  const inputs = [x, g.constant(bytes, [rows, blocks, Q8_BLOCK]), g.constant(scales, [rows * blocks])]
  const attributes = { K: columns, N: rows, bits: 8, block_size: Q8_BLOCK, accuracy_level: 4 }
  return g.op('MatMulNBits', inputs, { attributes })
}

/**
 * [N, heads·D] → [N, heads·padded], zeros at the end of each head; with `halves`, at the end of each half of each head,
 * so that the pairs which are rotated together stay half a head apart.
 */
function widen(g: Graph, x: Tensor, heads: number, headSize: number, { halves = false } = {}): Tensor {
  const padded = paddedHeadSize(headSize)
  if (padded === headSize) return x
  const parts = halves ? 2 : 1
  const pads = g.ints([0, 0, 0, 0, 0, (padded - headSize) / parts])
  const split = g.reshape(x, ['N', heads * parts, headSize / parts])
  const wide = g.op('Pad', [split, pads], { shape: ['N', heads * parts, padded / parts] })
  return g.reshape(wide, ['N', heads * padded])
}

function narrow(g: Graph, x: Tensor, heads: number, headSize: number): Tensor {
  const padded = paddedHeadSize(headSize)
  if (padded === headSize) return g.reshape(x, ['N', heads * headSize])
  const split = g.reshape(x, ['N', heads, padded])
  const kept = g.op('Slice', [split, g.ints([0]), g.ints([headSize]), g.ints([2])], { shape: ['N', heads, headSize] })
  return g.reshape(kept, ['N', heads * headSize])
}
