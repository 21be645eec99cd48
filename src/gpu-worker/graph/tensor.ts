/** A dimension: a fixed size, or the name of one that is known only when the graph runs (`B`, `T`, …). */
export type Dim = number | string

/** Element types, with the numbers ONNX gives them (`TensorProto.DataType`). */
export const ELEMENT_TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const
export type ElementType = keyof typeof ELEMENT_TYPES

/** A value in a graph: what a node produces, an input, or a constant. Identity is by reference. */
export interface Tensor {
  readonly id: number
  readonly type: ElementType
  readonly shape: readonly Dim[]
  /** The node that produces it; null for inputs and constants. */
  readonly producer: Node | null
}

export type Attribute = number | string | { float: number } | number[]

/** The operators there are. `OPS` has an entry for each, or it does not compile. */
export type OpName =
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'Div'
  | 'Min'
  | 'Max'
  | 'Neg'
  | 'Exp'
  | 'Log'
  | 'Sqrt'
  | 'Sigmoid'
  | 'Tanh'
  | 'Relu'
  | 'Erf'
  | 'Cos'
  | 'Sin'
  | 'Gelu'
  | 'Where'
  | 'Sign'
  | 'LessOrEqual'
  | 'Less'
  | 'Equal'
  | 'And'
  | 'Or'
  | 'Cast'
  | 'Identity'
  | 'Gemm'
  | 'FusedMatMul'
  | 'MatMulNBits'
  | 'Reshape'
  | 'Expand'
  | 'Transpose'
  | 'Slice'
  | 'Pad'
  | 'Concat'
  | 'Split'
  | 'Squeeze'
  | 'Unsqueeze'
  | 'Shape'
  | 'Range'
  | 'ConstantOfShape'
  | 'ReduceSum'
  | 'ReduceMean'
  | 'ReduceMax'
  | 'ReduceSumSquare'
  | 'Sum'
  | 'CumSum'
  | 'ArgMax'
  | 'Softmax'
  | 'LogSoftmax'
  | 'LayerNormalization'
  | 'SimplifiedLayerNormalization'
  | 'RotaryEmbedding'
  | 'GroupQueryAttention'
  | 'Gather'
  | 'GatherBlockQuantized'
  | 'GatherElements'
  | 'GatherND'
  | 'ScatterElements'
  | 'ScatterND'

export interface Node {
  readonly op: OpName
  readonly inputs: readonly (Tensor | null)[]
  outputs: readonly Tensor[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** The shape two operands have together under numpy's broadcasting; names match only themselves and 1. */
export function broadcastShape(a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw new Error(`cannot broadcast [${a}] with [${b}]`)
    return x === 1 ? y : x
  })
}

/** Number of elements of a fixed shape. */
export const elementCount = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1)
