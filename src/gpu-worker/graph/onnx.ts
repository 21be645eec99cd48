import type { Constant, Graph } from './graph.ts'
import { OPS, type OpDef } from './ops.ts'
import { ELEMENT_TYPES, type Attribute, type ElementType, type Node, type Tensor } from './tensor.ts'

const IR_VERSION = 10
const OPSET = 21
/** `TensorProto.DataLocation` of what stands beside the model. */
const EXTERNAL = 1
/** `TensorProto.DataType` and `AttributeProto.AttributeType` numbers, from onnx.proto3. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 }

/**
 * What outputs are called in the file: an update in place is an input and an output of one name, which ONNX
 * does not allow.
 */
export const outputName = (name: string): string => `out:${name}`

/** The name of the extra sequence output (see runtime/session.ts), always the first. */
export const SEQUENCE_OUTPUT = 'gavel_sequence'

/** Constants of more bytes stand beside the model, whose own bytes may not be more than 2³¹. */
const EXTERNAL_BYTES = 2 ** 16

/** The large constants, by the path under which the model names them. */
export const externalData = (g: Graph): { path: string; data: Uint8Array }[] =>
  g.constants.filter(isExternal).map(({ tensor, data }) => ({ path: ownName(tensor), data }))

const isExternal = ({ data }: Constant) => data.length > EXTERNAL_BYTES
const ownName = (t: Tensor) => `t${t.id}`

/**
 * The graph as the bytes of an ONNX model (ModelProto, opset 21 and com.microsoft 1), with nodes that no
 * output needs left out; what {@link externalData} gives goes with it. With `sequence`, a sequence of one scalar is put
 * before the other outputs.
 */
export function toOnnx(g: Graph, { sequence = false } = {}): Uint8Array {
  const outputs = outputTensors(g)
  const names = new Map<Tensor, string>(g.inputs.map(({ name, tensor }) => [tensor, name]))
  for (const { name, tensor } of outputs) names.set(tensor, outputName(name))
  const nameOf = (t: Tensor | null) => (t ? (names.get(t) ?? ownName(t)) : '')
  const nodes = fileNodes(
    g,
    outputs.map((o) => o.tensor),
  )
  const used = new Set(nodes.flatMap((n) => n.inputs))

  const model = new Writer()
  model.integer(1, IR_VERSION)
  model.text(2, 'gavel')
  model.message(7, (graph) => {
    for (const node of nodes) graph.message(1, (m) => writeNode(m, node, nameOf))
    if (sequence) {
      const [item, value] = ['gavel_scalar', g.scalar(0)]
      const constant = g.constants.find((c) => c.tensor === value)!
      graph.message(1, (m) => {
        m.text(1, item)
        m.text(2, SEQUENCE_OUTPUT)
        m.text(4, 'SequenceConstruct')
      })
      graph.message(5, (m) => writeConstant(m, item, [], 'float32', constant.data))
    }
    graph.text(2, 'gavel')
    for (const constant of g.constants) {
      const { tensor, data } = constant
      const stored = isExternal(constant) ? { path: ownName(tensor), length: data.length } : data
      if (used.has(tensor)) graph.message(5, (m) => writeConstant(m, nameOf(tensor), tensor.shape, tensor.type, stored))
    }
    for (const { name, tensor } of g.inputs) graph.message(11, (m) => writeValueInfo(m, name, tensor))
    if (sequence) graph.message(12, writeSequenceInfo)
    for (const { name, tensor } of outputs) graph.message(12, (m) => writeValueInfo(m, outputName(name), tensor))
  })
  for (const [domain, version] of [
    ['', OPSET],
    ['com.microsoft', 1],
  ] as const) {
    model.message(8, (m) => {
      m.text(1, domain)
      m.integer(2, version)
    })
  }
  return model.bytes()
}

/** The tensors that are written to the caller's arrays: each output's own, or a copy of an input or of another output. */
export function outputTensors(g: Graph): { name: string; tensor: Tensor }[] {
  const taken = new Set(g.inputs.map(({ tensor }) => tensor))
  return g.outputs.map(({ name, tensor }) => {
    const own = tensor.producer && !taken.has(tensor)
    const written = own ? tensor : g.untaped(() => g.op('Identity', [tensor]))
    taken.add(written)
    return { name, tensor: written }
  })
}

/**
 * The nodes that outputs need, in the order of the file: last first. Of what may run next, ONNX Runtime takes what
 * stands last, and what that needs just before. So each output is computed as soon as the ones before it are done, and
 * its inputs let go.
 */
export function fileNodes(g: Graph, outputs: readonly Tensor[]): Node[] {
  const live = new Set<Node>()
  const pending = outputs.flatMap((t) => t.producer ?? [])
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (live.has(node)) continue
    live.add(node)
    for (const t of node.inputs) if (t?.producer) pending.push(t.producer)
  }
  return g.nodes.filter((n) => live.has(n)).toReversed()
}

function writeNode(m: Writer, node: Node, nameOf: (t: Tensor | null) => string) {
  const { domain }: OpDef = OPS[node.op]
  for (const t of node.inputs) m.text(1, nameOf(t))
  for (const t of node.outputs) m.text(2, nameOf(t))
  m.text(4, node.op)
  for (const [name, value] of Object.entries(node.attributes)) m.message(5, (a) => writeAttribute(a, name, value))
  if (domain) m.text(7, domain)
}

function writeAttribute(m: Writer, name: string, value: Attribute) {
  m.text(1, name)
  if (typeof value === 'number') {
    m.integer(3, value)
    m.integer(20, ATTRIBUTE.int)
  } else if (typeof value === 'string') {
    m.text(4, value)
    m.integer(20, ATTRIBUTE.string)
  } else if (Array.isArray(value)) {
    for (const v of value) m.integer(8, v)
    m.integer(20, ATTRIBUTE.ints)
  } else {
    m.float(2, value.float)
    m.integer(20, ATTRIBUTE.float)
  }
}

function writeConstant(
  m: Writer,
  name: string,
  shape: Tensor['shape'],
  type: ElementType,
  data: Uint8Array | { path: string; length: number },
) {
  for (const d of shape) m.integer(1, d as number)
  m.integer(2, ELEMENT_TYPES[type])
  m.text(8, name)
  if (data instanceof Uint8Array) return m.raw(9, data)
  const where = { location: data.path, offset: '0', length: String(data.length) }
  for (const [key, value] of Object.entries(where)) {
    m.message(13, (entry) => {
      entry.text(1, key)
      entry.text(2, value)
    })
  }
  m.integer(14, EXTERNAL)
}

function writeValueInfo(m: Writer, name: string, { type, shape }: Tensor) {
  m.text(1, name)
  m.message(2, (t) =>
    t.message(1, (tensor) => {
      tensor.integer(1, ELEMENT_TYPES[type])
      tensor.message(2, (s) => {
        for (const d of shape) s.message(1, (dim) => (typeof d === 'number' ? dim.integer(1, d) : dim.text(2, d)))
      })
    }),
  )
}

function writeSequenceInfo(m: Writer) {
  m.text(1, SEQUENCE_OUTPUT)
  m.message(2, (t) =>
    t.message(4, (s) =>
      s.message(1, (e) =>
        e.message(1, (x) => {
          x.integer(1, ELEMENT_TYPES.float32)
          x.message(2, () => {})
        }),
      ),
    ),
  )
}

/** Protocol-buffer fields: varints, 32-bit floats and length-delimited bytes are all that ONNX needs. */
class Writer {
  private buffer = Buffer.allocUnsafe(1024)
  private length = 0

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  integer(field: number, value: number) {
    this.varint(field << 3)
    this.varint(value)
  }

  float(field: number, value: number) {
    this.varint((field << 3) | 5)
    this.reserve(4)
    this.length = this.buffer.writeFloatLE(value, this.length)
  }

  raw(field: number, data: Uint8Array) {
    this.varint((field << 3) | 2)
    this.varint(data.length)
    this.reserve(data.length)
    this.buffer.set(data, this.length)
    this.length += data.length
  }

  text(field: number, value: string) {
    this.raw(field, Buffer.from(value, 'utf8'))
  }

  message(field: number, fill: (m: Writer) => void) {
    const inner = new Writer()
    fill(inner)
    this.raw(field, inner.bytes())
  }

  /** Negative numbers take ten bytes, as 64-bit two's complement. */
  private varint(value: number) {
    this.reserve(10)
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 127n) {
      this.buffer[this.length++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.buffer[this.length++] = Number(rest)
  }

  private reserve(count: number) {
    if (this.length + count <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + count))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
