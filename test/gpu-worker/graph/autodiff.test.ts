import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkpoint, gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph, type Keeps } from '../../../src/gpu-worker/graph/graph.ts'
import type { Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

const floats = (shape: number[], data: number[]): Value => ({ type: 'float32', shape, data })
const X = floats([2, 3], [0.5, -1, 2, 1.5, 0.25, -0.75])
const W = floats([3, 2], [1, -0.5, 0.25, 2, -1, 0.75])

test('a tensor used twice gets both contributions', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2, 3])
  const loss = g.sumAll(g.add(g.mul(x, x), x))
  g.output('dx', gradients(g, loss, [x])[0]!)
  const { dx } = await runGraph(g, { x: X })
  assertClose(
    dx!,
    X.data.map((v) => 2 * v + 1),
    1e-6,
  )
})

for (const [what, build, dW] of [
  ['a product', (g: Graph, x: Tensor, w: Tensor) => g.matmul(x, w), [2, 2, -0.75, -0.75, 1.25, 1.25]],
  ['looked-up rows', (g: Graph, _: Tensor, w: Tensor) => g.gather(w, g.ints([2, 0, 2])), [1, 1, 0, 0, 2, 2]],
  ['elementwise use', (g: Graph, _: Tensor, w: Tensor) => g.mul(w, g.scalar(3)), [3, 3, 3, 3, 3, 3]],
  [
    'a product and looked-up rows together, as in a tied embedding',
    (g: Graph, x: Tensor, w: Tensor) => g.add(g.matmul(x, w), g.gather(w, g.ints([2, 0]))),
    [3, 3, -0.75, -0.75, 2.25, 2.25],
  ],
] as [string, (g: Graph, x: Tensor, w: Tensor) => Tensor, number[]][]) {
  test(`gradients are added to what is there: ${what}`, async () => {
    const g = new Graph()
    const [x, w] = [g.input('x', 'float32', [2, 3]), g.input('w', 'float32', [3, 2])]
    const before = g.input('before', 'float32', [3, 2])
    g.output('after', gradients(g, g.sumAll(build(g, x, w)), [w], new Map([[w, before]]))[0]!)
    const { after } = await runGraph(g, { x: X, w: W, before: floats([3, 2], [10, 20, 30, 40, 50, 60]) })
    assertClose(
      after!,
      dW.map((v, i) => v + 10 * (i + 1)),
      1e-6,
    )
  })
}

test('a loss that does not depend on a tensor is refused, also where there is a gradient to add to', () => {
  const g = new Graph()
  const [x, y] = [g.input('x', 'float32', [2]), g.input('y', 'float32', [2])]
  const loss = g.sumAll(x)
  assert.throws(() => gradients(g, loss, [x, y]), /does not depend on tensor 1/)
  const before = new Map([[y, g.input('before', 'float32', [2])]])
  assert.throws(() => gradients(g, loss, [y], before), /does not depend on tensor 0/)
})

test('an operator without a gradient stops it', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  assert.throws(() => gradients(g, g.sumAll(g.op('Sign', [x])), [x]), /does not depend/)
})

test('a composite plays its own gradient, not that of what it emits', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  const y = g.composite(
    [x],
    () => g.exp(x),
    (accumulator, dy) => accumulator.add(x, () => g.mul(dy, g.scalar(7))),
  )
  g.output('y', y)
  g.output('dx', gradients(g, g.sumAll(g.mul(y, g.scalar(2))), [x])[0]!)
  const results = await runGraph(g, { x: floats([2], [0, 1]) })
  assertClose(results.y!, [1, Math.E], 1e-6)
  assert.deepEqual(results.dx, [14, 14])
})

test('sums undo broadcasting in front, in the middle and down to a scalar', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2, 1, 3])
  const wide = g.expand(x, [2, 2, 2, 3])
  for (const [name, shape] of [
    ['a', [2, 1, 3]],
    ['b', [3]],
    ['c', []],
    ['d', [2, 2, 2, 3]],
  ] as const) {
    g.output(name, g.sumTo(wide, shape))
  }
  const { a, b, c, d } = await runGraph(g, { x: { ...X, shape: [2, 1, 3] } })
  assertClose(
    a!,
    X.data.map((v) => 4 * v),
    1e-6,
  )
  assertClose(b!, [8, -3, 5], 1e-6)
  assertClose(c!, [10], 1e-6)
  assert.equal(d!.length, 24)
})

/** Two layers of tanh(x·W)·W′ + x, and Σ of the result's squares. */
function twoLayers(keeps?: Keeps) {
  const g = new Graph()
  const x = g.input('x', 'float32', [2, 3])
  const weights = ['w0', 'w1'].map((name) => g.input(name, 'float32', [3, 2]))
  const layerOf = (w: Tensor) => (h: Tensor) => g.add(g.matmul(g.op('Tanh', [g.matmul(h, w)]), w, { transB: true }), h)
  const layer = (h: Tensor, w: Tensor) => (keeps ? checkpoint(g, h, [w], keeps, layerOf(w)) : layerOf(w)(h))
  const middle = layer(x, weights[0]!)
  const end = layer(middle, weights[1]!)
  const loss = g.sumAll(g.mul(end, end))
  const backward = g.nodes.length
  const initial = new Map([[weights[1]!, g.input('before', 'float32', [3, 2])]])
  const results = gradients(g, loss, [x, ...weights], initial)
  results.forEach((gradient, i) => g.output(`gradient${i}`, gradient))
  return { g, backward }
}

test('recomputing layers changes no gradient, with a gradient to add to or without', async () => {
  const inputs = {
    x: X,
    w0: W,
    w1: floats([3, 2], [0.3, 0.1, -0.7, 0.2, 0.5, -0.4]),
    before: floats([3, 2], [1, 2, 3, 4, 5, 6]),
  }
  const plain = await runGraph(twoLayers().g, inputs)
  for (const keeps of [() => false, (op: string) => op === 'Gemm']) {
    const again = await runGraph(twoLayers(keeps).g, inputs)
    for (const name of ['gradient0', 'gradient1', 'gradient2']) assertClose(again[name]!, plain[name]!, 1e-6, name)
  }
})

test('recomputed layers leave nothing of their first pass alive but what is kept', () => {
  for (const [keeps, times] of [
    [() => false, 2],
    [(op: string) => op === 'Gemm', 1],
  ] as const) {
    const { g, backward } = twoLayers(keeps)
    const tanhs = g.nodes.filter((node) => node.op === 'Tanh')
    assert.equal(tanhs.length, 4, 'each layer is emitted twice')
    assert.equal(tanhs[2]!.inputs[0] === tanhs[1]!.inputs[0], times === 1, 'what the second reads')
    const first = tanhs.slice(0, 2).flatMap((node) => [...node.outputs, ...(times === 2 ? node.inputs : [])])
    const read = g.nodes.slice(backward).flatMap((node) => node.inputs)
    assert.deepEqual(
      read.filter((t) => t && first.includes(t)),
      [],
    )
  }
})

test('equal calls give one tensor; other attributes, inputs or shapes another', () => {
  const g = new Graph()
  const [a, b] = [g.input('a', 'float32', [2, 2]), g.input('b', 'float32', [2, 2])]
  assert.equal(g.matmul(a, b), g.matmul(a, b))
  assert.notEqual(g.matmul(a, b), g.matmul(b, a))
  assert.notEqual(g.matmul(a, b), g.matmul(a, b, { transB: true }))
  assert.notEqual(g.reshape(a, [4]), g.reshape(a, [4, 1]))
  assert.equal(g.scalar(0.5), g.scalar(0.5))
  assert.notEqual(g.ints([1]), g.ints(1))
})

test('a taped call is not merged with an untaped one, whose gradient nobody would play', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  const before = g.untaped(() => g.exp(x))
  const y = g.exp(x)
  assert.notEqual(before, y)
  assert.equal(
    g.untaped(() => g.exp(x)),
    before,
  )
  const { tape } = g.taped(() => g.exp(x))
  assert.equal(tape.length, 1, 'nor with one on another tape')
  g.output('dx', gradients(g, g.sumAll(g.mul(y, before)), [x])[0]!)
  const { dx } = await runGraph(g, { x: floats([2], [0, 1]) })
  assertClose(dx!, [1, Math.E ** 2], 1e-6, 'only the taped factor is differentiated')
})

test('sizes known only at run time are looked up by name', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', ['n', 3])
  g.nameDimension('n', () => g.sizeOf(x, 0))
  g.nameDimension('m', () => g.op('Mul', [g.dimension('n'), g.ints([3])]))
  const y = g.reshape(g.mul(g.zeros(['n', 3]), x), ['m', 1])
  assert.deepEqual(y.shape, ['m', 1])
  g.output('size', g.dimension('m'))
  assert.deepEqual((await runGraph(g, { x: X })).size, [6])
  assert.throws(() => g.dimension('unheard'), /dimension unheard/)
})

test('shapes that do not fit are refused while the graph is built', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2, 3])
  assert.throws(() => g.matmul(x, x), /cannot multiply \[2,3\] by \[2,3\]/)
  assert.throws(() => g.add(x, g.input('y', 'float32', [2])), /cannot broadcast \[2,3\] with \[2\]/)
  assert.throws(() => g.op('Reshape', [x, g.ints([6])]), /output shape stated/)
})
