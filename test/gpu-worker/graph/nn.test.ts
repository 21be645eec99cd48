import { test } from 'node:test'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { ACTIVATIONS, attention } from '../../../src/gpu-worker/graph/nn.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph } from '../../helpers/run-graph.ts'

test('gelu_new is the tanh approximation', async () => {
  const g = new Graph()
  g.output('y', ACTIVATIONS.gelu_new(g, g.input('x', 'float32', [4])))
  const { y } = await runGraph(g, { x: { type: 'float32', shape: [4], data: [-2, -0.5, 0, 1.5] } })
  // torch.nn.functional.gelu(x, approximate='tanh')
  assertClose(y!, [-0.04540229, -0.15428598, 0, 1.39957154], 1e-6)
})

for (const cap of [undefined, 0.4]) {
  test(`the gradient of attention is that of its parts, ${cap ? 'with a cap' : 'without one'}`, async () => {
    const shape = [1, 2, 3, 2]
    const names = ['q', 'k', 'v'] as const
    const values = Object.fromEntries(
      names.map((name, n) => [
        name,
        { type: 'float32' as const, shape, data: Array.from({ length: 12 }, (_, i) => Math.sin(i * (n + 1) + n)) },
      ]),
    )
    const build = async (whole: boolean) => {
      const g = new Graph()
      const [q, k, v] = names.map((name) => g.input(name, 'float32', shape))
      const bias = g.constant(Float32Array.of(0, -1e9, -1e9, 0, 0, -1e9, 0, 0, 0), [1, 1, 1, 3, 3])
      const scores = [1, 2, 1, 3, 3]
      const parts = () => {
        const raw = g.matmul(q!, k!, { transB: true, alpha: 0.7 })
        const capped = cap ? g.mul(g.op('Tanh', [g.div(raw, g.scalar(cap))]), g.scalar(cap)) : raw
        const masked = g.add(g.reshape(capped, scores), bias)
        return g.matmul(g.reshape(g.op('Softmax', [masked], { attributes: { axis: -1 } }), [1, 2, 3, 3]), v!)
      }
      const out = whole ? attention(g, { q: q!, k: k!, v: v!, bias, alpha: 0.7, cap, scores }) : parts()
      g.output('out', out)
      gradients(g, g.sumAll(g.mul(out, g.exp(out))), [q!, k!, v!]).forEach((d, i) => g.output(names[i]!, d))
      return runGraph(g, values)
    }
    const [whole, parts] = await Promise.all([build(true), build(false)])
    for (const name of ['out', ...names]) assertClose(whole[name]!, parts[name]!, 1e-6, name)
  })
}

test('relu2 is the square of what is above 0', async () => {
  const g = new Graph()
  g.output('y', ACTIVATIONS.relu2(g, g.input('x', 'float32', [3])))
  const { y } = await runGraph(g, { x: { type: 'float32', shape: [3], data: [-2, 0, 1.5] } })
  assertClose(y!, [0, 0, 2.25], 1e-6)
})
