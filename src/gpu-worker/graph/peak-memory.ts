import type { Graph } from './graph.ts'
import { fileNodes, outputTensors } from './onnx.ts'
import { type Dim, elementCount, type ElementType, type Node, type OpName, type Tensor } from './tensor.ts'

/** What the named dimensions of a graph's inputs stand for in one run. */
export type Sizes = Readonly<Record<string, number>>

const BYTES = { float32: 4, uint8: 1, int32: 4, int64: 8, bool: 1 } satisfies Record<ElementType, number>

/** ONNX Runtime's allocator hands out multiples of this. */
const GRAIN = 256

/** Ops whose result is their first input under another shape. */
const VIEWS: ReadonlySet<OpName> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity'])

/** Inputs over which an op may write its result, where nobody else reads them any more. */
const IN_PLACE: Partial<Record<OpName, readonly number[]>> = {
  Add: [0, 1],
  Sub: [0, 1],
  Mul: [0, 1],
  Div: [0, 1],
  Neg: [0],
  Exp: [0],
  Log: [0],
  Sqrt: [0],
  Sign: [0],
  Sigmoid: [0],
  Tanh: [0],
  Relu: [0],
  Gelu: [0],
  Softmax: [0],
  LogSoftmax: [0],
  ScatterElements: [0],
  ScatterND: [0],
}

/** Ops whose result's named dimensions ONNX Runtime does not work out beforehand. */
const OPAQUE: ReadonlySet<OpName> = new Set([
  'Reshape',
  'Expand',
  'ConstantOfShape',
  'Range',
  'Slice',
  'Pad',
  'GatherND',
])

interface Block {
  bytes: number
  /** Reads that are still to come. */
  reads: number
}

/**
 * The most bytes that a run of the graph holds at once beside its inputs, outputs and constants, as a function of the
 * inputs' sizes. Follows ONNX Runtime node by node: the order in which it runs them, which results share memory
 * (a view of an input, a result in the place of an input nobody else reads), and that memory is let go after its last
 * reader.
 */
export function peakMemory(g: Graph): (sizes: Sizes) => number {
  const outputs = new Set(outputTensors(g).map(({ tensor }) => tensor))
  const order = runOrder(fileNodes(g, [...outputs]))
  const reads = new Map<Tensor, number>()
  for (const { inputs } of order) for (const t of inputs) if (t) reads.set(t, (reads.get(t) ?? 0) + 1)
  const opaque = opaqueShapes(order)

  return (sizes) => {
    const shapeOf = concreteShapes(order, sizes)
    const bytesOf = (t: Tensor) => Math.ceil((elementCount(shapeOf(t)) * BYTES[t.type]) / GRAIN) * GRAIN
    const blocks = new Map<Tensor, Block>()
    let held = 0
    let peak = 0
    const letGo = (block: Block) => {
      if (block.reads === 0) held -= block.bytes
    }
    for (const node of order) {
      const made: Block[] = []
      for (const y of node.outputs) {
        if (outputs.has(y)) continue // Written to the caller's array.
        const shared = sharedBlock(node, y)
        if (shared === 'given') continue
        const block = shared ?? { bytes: bytesOf(y), reads: 0 }
        if (!shared) made.push(block)
        block.reads += reads.get(y) ?? 0
        blocks.set(y, block)
      }
      held += made.reduce((sum, { bytes }) => sum + bytes, 0)
      peak = Math.max(peak, held + scratch(node, shapeOf))
      for (const t of node.inputs) {
        const block = t && blocks.get(t)
        if (!block) continue
        block.reads--
        letGo(block)
      }
      for (const block of made) if (!node.outputs.some((y) => reads.has(y) && blocks.get(y) === block)) letGo(block)
    }
    return peak

    /** The memory that a result shares with an input; `given` where that is the caller's or a constant. */
    function sharedBlock({ op, inputs }: Node, y: Tensor): Block | 'given' | undefined {
      if (VIEWS.has(op)) return blocks.get(inputs[0]!) ?? 'given'
      return (IN_PLACE[op] ?? [])
        .map((i) => inputs[i]!)
        .filter((x) => x.type === y.type && !opaque.has(x) && !opaque.has(y) && String(x.shape) === String(y.shape))
        .map((x) => blocks.get(x))
        .find((block) => block?.reads === 1)
    }
  }
}

/**
 * The order in which ONNX Runtime runs the nodes of a file: depth first from the last node that nothing reads, the
 * latest producer first. (The file holds our nodes last first, so that this is by and large the order of their making.)
 */
export function runOrder(file: readonly Node[]): Node[] {
  const index = new Map(file.map((node, i) => [node, i]))
  const read = new Set(file.flatMap(({ inputs }) => inputs.map((t) => t?.producer)))
  const stack = file.filter((node) => !read.has(node)).map((node) => ({ node, done: false }))
  const seen = new Set<Node>()
  const order: Node[] = []
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, done } = top
    if (done) order.push(node)
    if (done || seen.has(node)) continue
    seen.add(node)
    stack.push({ node, done: true })
    const producers = new Set(node.inputs.flatMap((t) => t?.producer ?? []))
    const sorted = [...producers].filter((p) => !seen.has(p)).sort((a, b) => index.get(a)! - index.get(b)!)
    stack.push(...sorted.map((node) => ({ node, done: false })))
  }
  return order
}

/** Tensors with a named dimension that ONNX Runtime does not know before the run: those share no memory by shape. */
function opaqueShapes(order: readonly Node[]): Set<Tensor> {
  const named = ({ shape }: Tensor) => shape.some((d) => typeof d === 'string')
  const opaque = new Set<Tensor>()
  for (const { op, inputs, outputs } of order) {
    if (!OPAQUE.has(op) && !inputs.some((t) => t && opaque.has(t))) continue
    for (const y of outputs) if (named(y)) opaque.add(y)
  }
  return opaque
}

/**
 * Every tensor's shape in numbers. A name that no input has is met first where something is reshaped, and follows from
 * the number of elements.
 */
function concreteShapes(order: readonly Node[], sizes: Sizes): (t: Tensor) => number[] {
  const known = new Map(Object.entries(sizes))
  const sizeOf = (d: Dim) => (typeof d === 'number' ? d : known.get(d))
  const shapeOf = ({ shape }: Tensor) =>
    shape.map((d) => {
      const size = sizeOf(d)
      if (size === undefined) throw new Error(`nothing says how large the dimension ${d} is`)
      return size
    })
  for (const { op, inputs, outputs } of order) {
    if (op !== 'Reshape') continue
    const { shape } = outputs[0]!
    const unknown = shape.filter((d): d is string => sizeOf(d) === undefined)
    if (unknown.length !== 1) continue
    const rest = elementCount(shape.flatMap((d) => sizeOf(d) ?? []))
    known.set(unknown[0]!, elementCount(shapeOf(inputs[0]!)) / rest)
  }
  return shapeOf
}

/** What an op takes for itself while it runs. */
function scratch({ op, inputs, attributes }: Node, shapeOf: (t: Tensor) => number[]): number {
  if (op !== 'GroupQueryAttention') return 0
  // Scores of every new token over the whole cache, and queries, keys and values laid out head by head.
  const [packed, cache] = [shapeOf(inputs[0]!), shapeOf(inputs[3]!)]
  const [rows, width] = packed as [number, number]
  const scores = rows * (attributes.num_heads as number) * width * cache[2]!
  return BYTES.float32 * (scores + elementCount(packed))
}
