import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileNodes } from '../../../src/gpu-worker/graph/onnx.ts'
import type { Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { ColumnGraph } from '../../../src/gpu-worker/rollout/column-graph.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

/** Two products of x as columns, worked on number by number, joined, and worked on together with rows. */
function build(g: Graph): Tensor {
  const x = g.input('x', 'float32', [2, 3])
  const weights = ['a', 'b'].map((name) => g.input(name, 'float32', [4, 3]))
  const [a, b] = weights.map((w) => g.transpose(g.matmul(w, x, { transB: true }), [1, 0])) as [Tensor, Tensor] // [2,4]
  const gated = g.mul(g.op('Sigmoid', [g.add(a, g.scalar(0.5))]), b)
  const joined = g.concat([gated, a], 1, [2, 8])
  return g.add(joined, g.input('rows', 'float32', [2, 8]))
}

const values: Record<string, Value> = Object.fromEntries(
  Object.entries({ x: [2, 3], a: [4, 3], b: [4, 3], rows: [2, 8] }).map(([name, shape], n) => [
    name,
    { type: 'float32', shape, data: Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.sin(7 * n + i)) },
  ]),
)

test('what works on products number by number, or joins them, reads the columns; one transpose is left', async () => {
  const [rows, columns] = [new Graph(), new ColumnGraph()]
  const results = await Promise.all(
    [rows, columns].map((g) => {
      g.output('y', build(g))
      return runGraph(g, values)
    }),
  )
  assertClose(results[1]!.y!, results[0]!.y!, 1e-6, 'y')
  const transposes = (g: Graph) =>
    fileNodes(
      g,
      g.outputs.map(({ tensor }) => tensor),
    ).filter(({ op }) => op === 'Transpose').length
  assert.deepEqual([transposes(rows), transposes(columns)], [2, 1])
})
