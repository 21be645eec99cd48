import { Graph, type CallOptions } from '../graph/graph.ts'
import type { OpName, Tensor } from '../graph/tensor.ts'

/** Ops that work on each number by itself. */
const ELEMENTWISE: ReadonlySet<OpName> = new Set(['Add', 'Mul', 'Sigmoid', 'Tanh', 'Relu', 'Gelu'])

/**
 * A graph for a few tokens at a time, whose products come as columns [width, N], and are transposed for whoever wants
 * rows. What works on each number by itself works on the columns instead, and so does whoever asks for them
 * ({@link columnsOf}): transposes that nobody reads are never written.
 */
export class ColumnGraph extends Graph {
  override call(op: OpName, inputs: readonly (Tensor | null)[], options: CallOptions = {}): Tensor[] {
    const joined = op === 'Concat' && options.attributes?.axis === 1
    const columns = joined || ELEMENTWISE.has(op) ? inputs.map((x) => (isScalar(x!) ? x : columnsOf(x!))) : [null]
    if (columns.some((x) => !x) || columns.every((x) => isScalar(x!))) return super.call(op, inputs, options)
    const asColumns = joined ? { attributes: { axis: 0 }, shape: options.shape!.toReversed() } : options
    return [this.transpose(super.call(op, columns, asColumns)[0]!, [1, 0])]
  }
}

/** The matrix of which `x` is the transpose, where it is one. */
export function columnsOf({ producer, shape }: Tensor): Tensor | null {
  return producer?.op === 'Transpose' && shape.length === 2 ? producer.inputs[0]! : null
}

const isScalar = (x: Tensor) => x.shape.length === 0
