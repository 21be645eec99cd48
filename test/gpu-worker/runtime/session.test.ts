import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { copiesAvoidable, Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32, int64 } from '../../../src/gpu-worker/runtime/tensors.ts'

test('the pinned onnxruntime-node lets copies be avoided', async () => {
  assert.equal(await copiesAvoidable(), true)
})

for (const withSequence of [true, false]) {
  const how = withSequence ? 'without copies' : 'with copies'

  test(`outputs go to the arrays given, one of them an input’s own, ${how}`, async () => {
    const g = new Graph()
    const [x, y] = [g.input('x', 'float32', ['n']), g.input('y', 'float32', ['n'])]
    // Outputs are computed in this order, so an update in place comes after what else reads the input.
    g.output('product', g.mul(x, y))
    g.output('x', g.add(x, y))
    const session = await Session.build(g, { threads: 1 }, withSequence)
    const data = Float32Array.of(1, 2, 3)
    const product = new Float32Array(3)
    const tensors = { x: float32(data, [3]), y: float32(Float32Array.of(10, 20, 30), [3]) }
    for (let run = 0; run < 3; run++) await session.run(tensors, { x: tensors.x, product: float32(product, [3]) })
    assert.deepEqual([...data], [31, 62, 93])
    assert.deepEqual([...product], [210, 840, 1890])
    await session.release()
  })

  test(`a part of a larger array is written, and nothing beside it, ${how}`, async () => {
    const g = new Graph()
    g.output('x', g.neg(g.input('x', 'float32', ['n'])))
    const session = await Session.build(g, { threads: 1 }, withSequence)
    const data = Float32Array.of(1, 2, 3, 4)
    const middle = float32(data.subarray(1, 3), [2])
    await session.run({ x: middle }, { x: middle })
    assert.deepEqual([...data], [1, -2, -3, 4])
    await session.release()
  })

  test(`ONNX Runtime’s own errors are passed on, ${how}`, async () => {
    const g = new Graph()
    g.output('y', g.gather(g.input('x', 'float32', [2, 1]), g.input('i', 'int64', ['n'])))
    const session = await Session.build(g, { threads: 1 }, withSequence)
    const x = float32(Float32Array.of(1, 2), [2, 1])
    const y = { y: float32(new Float32Array(1), [1, 1]) }
    await assert.rejects(session.run({ x, i: int64([5], [1]) }, y), /indices element out of data bounds/)
    await assert.rejects(session.run({ x }, y), /input 'i' is missing/)
    await assert.rejects(session.run({ x: float32(Float32Array.of(1), [1, 1]), i: int64([0], [1]) }, y), /dimensions/i)
    await session.run({ x, i: int64([1], [1]) }, y)
    assert.equal(y.y.data[0], 2, 'and the session works on')
    await session.release()
  })
}

test('a graph that ONNX Runtime refuses is an error', async () => {
  const g = new Graph()
  g.output('y', g.op('Transpose', [g.input('x', 'float32', [2, 3])], { attributes: { perm: [0, 0] } }))
  await assert.rejects(Session.create(g), /perm/i)
})
