import { OPS, type GradientTerm, type OpDef } from './ops.ts'
import {
  ELEMENT_TYPES,
  type Attribute,
  type Dim,
  type ElementType,
  type Node,
  type OpName,
  type Tensor,
} from './tensor.ts'

export interface Constant {
  tensor: Tensor
  data: Uint8Array
}

/** Gradients gathered so far, by tensor. */
export interface Gradients {
  get(x: Tensor): Tensor | null
  /** Whether the gradient of x is asked for, itself or on the way to another. */
  wants(x: Tensor): boolean
  /** Starts (or replaces) the gradient of x. */
  set(x: Tensor, gradient: Tensor): void
  add(x: Tensor, term: GradientTerm): void
}

/** One differentiable step of the forward pass; `backward` adds the gradients of its inputs. */
export interface TapeEntry {
  inputs: readonly (Tensor | null)[]
  outputs: readonly Tensor[]
  backward: (gradients: Gradients) => void
}

/** Chooses the results that are kept when a piece of graph is emitted again, by op and shape. */
export type Keeps = (op: OpName, shape: readonly Dim[]) => boolean

/** A second emission under way, with what each of its tensors was called the first time. */
interface Again {
  keeps: Keeps
  first: Map<Tensor, Tensor>
}

export interface CallOptions {
  attributes?: Record<string, Attribute>
  shape?: readonly Dim[]
}

const bytesOf = (a: ArrayBufferView) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

/**
 * A graph under construction. Methods emit nodes and answer the tensors they produce; every differentiable
 * call is also written on a tape, which `gradients` (autodiff.ts) plays backwards.
 *
 * Equal calls give the same tensor. Sizes known only at run time are named; `nameDimension` says where a
 * name's value is read from, and reshapes look it up.
 */
export class Graph {
  readonly nodes: Node[] = []
  readonly inputs: { name: string; tensor: Tensor }[] = []
  readonly outputs: { name: string; tensor: Tensor }[] = []
  readonly constants: Constant[] = []
  private readonly constantsByKey = new Map<string, Tensor>()
  private readonly dimensions = new Map<string, () => Tensor>()
  private readonly dimensionTensors = new Map<string, Tensor>()
  private tape: TapeEntry[] | null = []
  private readonly seen = new Map<TapeEntry[] | Again | null, Map<string, Tensor[]>>()
  private again: Again | null = null
  private nextId = 0

  // ---- inputs, outputs, constants

  input(name: string, type: ElementType, shape: readonly Dim[]): Tensor {
    const tensor = this.newTensor(type, shape, null)
    this.inputs.push({ name, tensor })
    return tensor
  }

  output(name: string, tensor: Tensor): void {
    this.outputs.push({ name, tensor })
  }

  constant(data: Float32Array | Uint8Array | Int32Array | BigInt64Array, shape: readonly number[]): Tensor {
    const type: ElementType =
      data instanceof Float32Array
        ? 'float32'
        : data instanceof BigInt64Array
          ? 'int64'
          : data instanceof Int32Array
            ? 'int32'
            : 'uint8'
    const tensor = this.newTensor(type, shape, null)
    this.constants.push({ tensor, data: bytesOf(data) })
    return tensor
  }

  scalar(value: number): Tensor {
    return this.shared(`f${value}`, () => this.constant(Float32Array.of(value), []))
  }

  /** An int64 vector, or a scalar when given a bare number. */
  ints(value: number | readonly number[]): Tensor {
    const list = typeof value === 'number' ? [value] : value
    const shape = typeof value === 'number' ? [] : [value.length]
    return this.shared(`i${JSON.stringify(value)}`, () => this.constant(BigInt64Array.from(list.map(BigInt)), shape))
  }

  zeros(shape: readonly Dim[]): Tensor {
    return this.op('ConstantOfShape', [this.shapeTensor(shape)], { shape })
  }

  // ---- emitting

  /** Emits one op and answers its first output. */
  op(op: OpName, inputs: readonly (Tensor | null)[], options: CallOptions = {}): Tensor {
    return this.call(op, inputs, options)[0]!
  }

  call(op: OpName, inputs: readonly (Tensor | null)[], { attributes = {}, shape }: CallOptions = {}): Tensor[] {
    const rest = `${JSON.stringify(attributes)}${shape}`
    const keyOf = (inputs: readonly (Tensor | null)[]) => `${op}(${inputs.map((t) => t?.id).join()})${rest}`
    const scope = this.tape ?? this.again
    const seen = this.seen.get(scope) ?? new Map<string, Tensor[]>()
    this.seen.set(scope, seen)
    const earlier = seen.get(keyOf(inputs))
    if (earlier) return earlier

    const first = this.again && this.seen.get(null)?.get(keyOf(inputs.map((t) => t && this.firstOf(t))))
    const kept = first && this.again!.keeps(op, first[0]!.shape) ? first : null
    const definition: OpDef = OPS[op]
    const outputs = kept ?? this.emit({ op, inputs, outputs: [], attributes }, shape)
    if (first) outputs.forEach((y, i) => this.again!.first.set(y, first[i]!))
    seen.set(keyOf(inputs), outputs)
    const { grad } = definition
    if (typeof grad === 'function') {
      this.tape?.push({
        inputs,
        outputs,
        backward: (gradients) => {
          const dy = outputs.map((y) => gradients.get(y)!)
          const terms = grad({ g: this, x: inputs as Tensor[], y: outputs, dy, attributes })
          terms.forEach((term, i) => inputs[i] && gradients.add(inputs[i], term))
        },
      })
    }
    return outputs
  }

  private emit(node: Node, shape: readonly Dim[] | undefined): Tensor[] {
    const { op, inputs, attributes } = node
    const inferred = OPS[op].infer({ inputs, attributes, shape })
    node.outputs = inferred.map(({ shape, type }) => this.newTensor(type, shape, node))
    this.nodes.push(node)
    return [...node.outputs]
  }

  /** Emits once more what was emitted untaped before, apart from the results that `keeps` chooses: those stand as they are. */
  emitAgain<T>(keeps: Keeps, emit: () => T): T {
    const outer = this.again
    this.again = { keeps, first: new Map() }
    try {
      return emit()
    } finally {
      this.again = outer
    }
  }

  private firstOf = (t: Tensor): Tensor => this.again?.first.get(t) ?? t

  /**
   * A piece of forward pass with a gradient of its own: `forward` is emitted without being taped, and
   * `backward` is what the tape plays instead.
   */
  composite(inputs: readonly Tensor[], forward: () => Tensor, backward: (gradients: Gradients, dy: Tensor) => void) {
    const output = this.untaped(forward)
    this.tape?.push({ inputs, outputs: [output], backward: (gradients) => backward(gradients, gradients.get(output)!) })
    return output
  }

  untaped<T>(emit: () => T): T {
    return this.withTape(null, emit).result
  }

  /** Emits onto a fresh tape, and answers what was written there. */
  taped<T>(emit: () => T): { result: T; tape: TapeEntry[] } {
    const tape: TapeEntry[] = []
    return this.withTape(tape, emit) as { result: T; tape: TapeEntry[] }
  }

  get currentTape(): readonly TapeEntry[] {
    return this.tape ?? []
  }

  private withTape<T>(tape: TapeEntry[] | null, emit: () => T) {
    const outer = this.tape
    this.tape = tape
    try {
      return { result: emit(), tape }
    } finally {
      this.tape = outer
    }
  }

  // ---- named dimensions

  /** Says where the size called `name` is read from when the graph runs: a one-element int64 tensor. */
  nameDimension(name: string, read: () => Tensor): void {
    this.dimensions.set(name, read)
  }

  /** The size of one axis of a tensor, as a one-element int64 tensor. */
  sizeOf(x: Tensor, axis: number): Tensor {
    return this.op('Shape', [x], { attributes: { start: axis, end: axis + 1 }, shape: [1] })
  }

  dimension(name: string): Tensor {
    const known = this.dimensionTensors.get(name)
    if (known) return known
    const read = this.dimensions.get(name)
    if (!read) throw new Error(`no tensor was named for dimension ${name}`)
    const tensor = this.untaped(read)
    this.dimensionTensors.set(name, tensor)
    return tensor
  }

  /** A shape as an int64 vector. With `infer`, the first named dimension is left to ONNX to work out (−1). */
  private shapeTensor(shape: readonly Dim[], { infer = false } = {}): Tensor {
    const named = shape.filter((d) => typeof d === 'string')
    if (named.length === 0) return this.ints(shape as number[])
    if (infer && named.length === 1) return this.ints(shape.map((d) => (typeof d === 'string' ? -1 : d)))
    const inferred = infer ? shape.findIndex((d) => typeof d === 'string') : -1
    return this.untaped(() => {
      const parts = shape.map((d, i) =>
        i === inferred ? this.ints([-1]) : typeof d === 'number' ? this.ints([d]) : this.dimension(d),
      )
      return this.op('Concat', parts, { attributes: { axis: 0 }, shape: [shape.length] })
    })
  }

  // ---- arithmetic

  add = (a: Tensor, b: Tensor) => this.op('Add', [a, b])
  sub = (a: Tensor, b: Tensor) => this.op('Sub', [a, b])
  mul = (a: Tensor, b: Tensor) => this.op('Mul', [a, b])
  div = (a: Tensor, b: Tensor) => this.op('Div', [a, b])
  min = (a: Tensor, b: Tensor) => this.op('Min', [a, b])
  max = (a: Tensor, b: Tensor) => this.op('Max', [a, b])
  neg = (x: Tensor) => this.op('Neg', [x])
  exp = (x: Tensor) => this.op('Exp', [x])
  log = (x: Tensor) => this.op('Log', [x])
  sqrt = (x: Tensor) => this.op('Sqrt', [x])
  lessOrEqual = (a: Tensor, b: Tensor) => this.op('LessOrEqual', [a, b])
  where = (condition: Tensor, a: Tensor, b: Tensor) => this.op('Where', [condition, a, b])
  cast = (x: Tensor, type: ElementType) => this.op('Cast', [x], { attributes: { to: ELEMENT_TYPES[type] } })

  /** α·op(a)·op(b): Gemm for matrices, a batched product for higher ranks. */
  matmul(a: Tensor, b: Tensor, { transA = false, transB = false, alpha = 1 } = {}): Tensor {
    const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } }
    return this.op(a.shape.length === 2 ? 'Gemm' : 'FusedMatMul', [a, b], { attributes })
  }

  /** As `matmul`, added to `accumulated` inside the product where the ranks allow. */
  matmulInto(
    accumulated: Tensor | null,
    a: Tensor,
    b: Tensor,
    options: { transA: boolean; transB: boolean; alpha: number },
  ): Tensor {
    if (!accumulated) return this.matmul(a, b, options)
    if (a.shape.length !== 2) return this.add(accumulated, this.matmul(a, b, options))
    const { transA, transB, alpha } = options
    const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } }
    return this.op('Gemm', [a, b, accumulated], { attributes })
  }

  // ---- shape

  reshape = (x: Tensor, shape: readonly Dim[]) =>
    this.op('Reshape', [x, this.shapeTensor(shape, { infer: true })], { shape })
  expand = (x: Tensor, shape: readonly Dim[]) => this.op('Expand', [x, this.shapeTensor(shape)], { shape })
  transpose = (x: Tensor, perm: number[]) => this.op('Transpose', [x], { attributes: { perm } })
  gather = (x: Tensor, indices: Tensor) => this.op('Gather', [x, indices], { attributes: { axis: 0 } })

  /** [N, parts·width] → `parts` tensors of [N, width]. */
  split(x: Tensor, parts: number, width: number): Tensor[] {
    const shape = [x.shape[0]!, width]
    return this.call('Split', [x], { attributes: { axis: 1, num_outputs: parts }, shape })
  }

  concat = (parts: readonly Tensor[], axis: number, shape: readonly Dim[]): Tensor =>
    this.op('Concat', parts, { attributes: { axis }, shape })

  /** Sum over the axes, which stay as ones. */
  sum = (x: Tensor, axes: number[]) =>
    this.op('ReduceSum', [x, this.ints(axes)], {
      attributes: { keepdims: 1 },
      shape: x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
    })

  /** Sum of everything, a scalar. */
  sumAll = (x: Tensor) => this.reshape(this.sum(x, [...x.shape.keys()]), [])

  meanLast = (x: Tensor) =>
    this.op('ReduceMean', [x, this.ints([x.shape.length - 1])], {
      attributes: { keepdims: 1 },
      shape: [...x.shape.slice(0, -1), 1],
    })

  /** Undoes broadcasting: sums x over the axes in which `shape` is smaller. */
  sumTo(x: Tensor, shape: readonly Dim[]): Tensor {
    const extra = x.shape.length - shape.length
    const axes = [...x.shape.keys()].filter((i) => i < extra || (shape[i - extra] === 1 && x.shape[i] !== 1))
    const summed = axes.length ? this.sum(x, axes) : x
    return extra ? this.reshape(summed, shape) : summed
  }

  /**
   * base[index] += row for every index, which may repeat. ScatterElements is exact where ONNX Runtime's
   * ScatterND(add) loses updates between threads.
   */
  addRows(base: Tensor, indices: Tensor, rows: Tensor): Tensor {
    const width = base.shape[1]!
    const count = `rows of ${rows.id}`
    const flat = this.reshape(rows, [count, width])
    const column = this.reshape(indices, [count, 1])
    const size = this.op('Shape', [flat], { shape: [2] })
    const spread = this.op('Expand', [column, size], { shape: [count, width] })
    return this.op('ScatterElements', [base, spread, flat], { attributes: { axis: 0, reduction: 'add' } })
  }

  private shared(key: string, make: () => Tensor): Tensor {
    const known = this.constantsByKey.get(key)
    if (known) return known
    const tensor = make()
    this.constantsByKey.set(key, tensor)
    return tensor
  }

  private newTensor(type: ElementType, shape: readonly Dim[], producer: Node | null): Tensor {
    return { id: this.nextId++, type, shape, producer }
  }
}
