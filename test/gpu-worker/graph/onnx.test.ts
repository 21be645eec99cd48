import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { externalData, toOnnx } from '../../../src/gpu-worker/graph/onnx.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { bytesOf, numbersOf, textsOf } from '../../helpers/proto.ts'
import { runGraph } from '../../helpers/run-graph.ts'

/** Field numbers of onnx.proto3. */
const MODEL = { graph: 7, opset: 8 }
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 }
const NODE = { input: 1, output: 2, op: 4, attribute: 5, domain: 7 }
const ATTRIBUTE = { name: 1, float: 2, int: 3, ints: 8 }

const graphOf = (g: Graph, options = {}) => bytesOf(toOnnx(g, options), MODEL.graph)[0]!
const nodesOf = (g: Graph, options = {}) => bytesOf(graphOf(g, options), GRAPH.node)
const opsOf = (g: Graph) => nodesOf(g).flatMap((node) => textsOf(node, NODE.op))
const namesOf = (g: Graph, field: number, options = {}) =>
  bytesOf(graphOf(g, options), field).flatMap((value) => textsOf(value, 1))

test('numbers of every size and sign are written as they are read', () => {
  const numbers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 53 - 1, -1, -128, -(2 ** 40)]
  const g = new Graph()
  const x = g.input('x', 'float32', [numbers.length])
  // ArgMax is only a carrier here: nothing runs it.
  numbers.forEach((axis) => g.output(`y${axis}`, g.op('ArgMax', [x], { attributes: { axis }, shape: [1] })))
  g.output('all', g.op('ArgMax', [x], { attributes: { all: numbers }, shape: [1] }))
  const attributes = nodesOf(g)
    .toReversed()
    .map((node) => bytesOf(node, NODE.attribute)[0]!)
  assert.deepEqual(
    attributes.slice(0, -1).flatMap((a) => numbersOf(a, ATTRIBUTE.int)),
    numbers,
  )
  assert.deepEqual(numbersOf(attributes.at(-1)!, ATTRIBUTE.ints), numbers)
})

test('floats are written in single precision, names in UTF-8', () => {
  const g = new Graph()
  const x = g.input('größe', 'float32', [1, 2, 2])
  g.output('y', g.op('FusedMatMul', [x, x], { attributes: { alpha: { float: -1.7 } } }))
  const [node] = nodesOf(g)
  const [attribute] = bytesOf(node!, NODE.attribute)
  assert.equal(Buffer.from(bytesOf(attribute!, ATTRIBUTE.float)[0]!).readFloatLE(), Math.fround(-1.7))
  assert.deepEqual(textsOf(attribute!, ATTRIBUTE.name), ['alpha'])
  assert.deepEqual(textsOf(node!, NODE.input), ['größe', 'größe'])
  assert.deepEqual(textsOf(node!, NODE.domain), ['com.microsoft'])
})

test('the opsets of both domains are named', () => {
  const opsets = bytesOf(toOnnx(new Graph()), MODEL.opset).map((m) => [textsOf(m, 1)[0], numbersOf(m, 2)[0]])
  assert.deepEqual(opsets, [
    ['', 21],
    ['com.microsoft', 1],
  ])
})

test('nodes stand last first, which is how ONNX Runtime comes to run them in order', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  g.output('y', g.neg(g.exp(x)))
  g.output('z', g.sqrt(x))
  assert.deepEqual(opsOf(g), ['Sqrt', 'Neg', 'Exp'])
})

test('what no output needs is left out, nodes and constants', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  g.exp(g.add(x, g.scalar(5)))
  g.output('y', g.mul(x, g.scalar(3)))
  assert.deepEqual(opsOf(g), ['Mul'])
  assert.equal(bytesOf(graphOf(g), GRAPH.initializer).length, 1)
})

test('an input left out in the middle stays empty, so that the next keeps its place', () => {
  const g = new Graph()
  const [q, past] = [g.input('q', 'float32', [1, 1, 16]), g.input('past', 'float32', [1, 1, 4, 16])]
  g.output('y', g.op('GroupQueryAttention', [q, null, null, past, past], { shape: [1, 1, 16] }))
  assert.deepEqual(textsOf(nodesOf(g)[0]!, NODE.input), ['q', '', '', 'past', 'past'])
})

test('an output of an input’s name is told apart from it', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  g.output('x', g.add(x, g.scalar(1)))
  assert.deepEqual(namesOf(g, GRAPH.input), ['x'])
  assert.deepEqual(namesOf(g, GRAPH.output), ['out:x'])
})

test('an output may be an input, a constant, or be given out twice', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  const y = g.neg(x)
  g.output('same', x)
  g.output('constant', g.constant(Float32Array.of(7, 8), [2]))
  g.output('first', y)
  g.output('second', y)
  g.output('further', g.exp(y))
  const results = await runGraph(g, { x: { type: 'float32', shape: [2], data: [0, -1] } })
  assert.deepEqual(results.same, [0, -1])
  assert.deepEqual(results.constant, [7, 8])
  assert.deepEqual(results.first, [-0, 1])
  assert.deepEqual(results.second, [-0, 1])
  assert.equal(results.further![0], 1)
})

test('with a sequence, it is the first output', () => {
  const g = new Graph()
  g.output('y', g.neg(g.input('x', 'float32', [2])))
  const [sequence, y] = namesOf(g, GRAPH.output, { sequence: true })
  assert.equal(y, 'out:y')
  assert.equal(sequence, 'gavel_sequence')
  assert.deepEqual(namesOf(g, GRAPH.output), ['out:y'])
})

test('a large constant stands beside the model, and is copied when the session is made', async () => {
  const data = Float32Array.from({ length: 20_000 }, (_, i) => i)
  const g = new Graph()
  const x = g.input('x', 'float32', [1])
  g.output('y', g.add(x, g.constant(data, [data.length])))
  assert.ok(toOnnx(g).length < 1000)
  assert.deepEqual(
    externalData(g).map(({ data }) => data.length),
    [4 * data.length],
  )
  const { y } = await runGraph(g, { x: { type: 'float32', shape: [1], data: [0.5] } })
  assert.deepEqual(y, [...data.map((v) => v + 0.5)])
  const session = await Session.create(g, { threads: 1 })
  data.fill(-1)
  const out = new Float32Array(data.length)
  await session.run({ x: float32(Float32Array.of(0.5), [1]) }, { y: float32(out, [out.length]) })
  await session.release()
  assert.equal(out[10_000], 10_000.5)
})
