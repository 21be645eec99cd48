import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import type { Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { prefixBatch } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { PrefixTokens } from '../../../src/gpu-worker/training/prefix-tokens.ts'

/** 9 tokens: 2 shared by texts with 2 and 1 of their own, then 1 shared by one text with 3. Q, P, A, S = 2, 2, 2, 3. */
const { inputs: PLACES } = prefixBatch(
  [
    { shared: 2, rows: [0, 1] },
    { shared: 1, rows: [2] },
  ],
  [[7, 8, 1, 2], [7, 8, 3], [5, 6, 6, 4]], // prettier-ignore
)
const { ids: _ids, positions: _positions, ...INDICES } = PLACES

/** Two features a token, of which the second is the first, negated. */
const pairs = (firsts: readonly number[]) => Float32Array.from(firsts.flatMap((x) => [x, -x]))
const X = pairs([10, 20, 30, 40, 50, 60, 70, 80, 90])

/** What `build` makes of the tokens, and the gradient at each of them of its sum weighted 1, 2, 3, … (both features alike). */
async function run(size: number, dims: number[], build: (tokens: PrefixTokens, x: Tensor) => Tensor) {
  const g = new Graph()
  const tokens = new PrefixTokens(g)
  const x = g.input('x', 'float32', ['N', 2])
  g.nameDimension('N', () => g.sizeOf(x, 0))
  const y = build(tokens, x)
  const total = g.sumAll(g.mul(y, g.input('w', 'float32', y.shape)))
  g.output('y', y)
  g.output('dx', gradients(g, total, [x])[0]!)
  const shape = [...dims, 2]
  const [made, gradient] = [new Float32Array(2 * size), new Float32Array(18)]
  const weights = Float32Array.from({ length: 2 * size }, (_, i) => 1 + Math.floor(i / 2))
  const session = await Session.create(g, { threads: 1 })
  await session.run(
    { ...INDICES, x: float32(X, [9, 2]), w: float32(weights, shape) },
    { y: float32(made, shape), dx: float32(gradient, [9, 2]) },
  )
  await session.release()
  return { made, gradient: [...gradient].filter((_, i) => i % 2 === 0), other: [...gradient].filter((_, i) => i % 2) }
}

test('each text finds what its group shares before its own, and a shared token learns from all of them', async () => {
  const { made, gradient, other } = await run(20, [2, 2, 5], (tokens, x) =>
    tokens.behindShared(tokens.shared(x), tokens.own(x)),
  )
  // Padded with the first token.
  const texts = [...[10, 20, 30, 40, 10], ...[10, 20, 50, 10, 10], ...[60, 10, 70, 80, 90], ...[60, 10, 10, 10, 10]]
  assert.deepEqual(made, pairs(texts))
  // Weights 1 … 5, 6 … 10, 11 … 15, 16 … 20; those of padding reach nobody.
  assert.deepEqual(gradient, [1 + 6, 2 + 7, 3, 4, 8, 11 + 16, 13, 14, 15])
  assert.deepEqual(other, gradient)
})

test('tokens come back in their order, and so do their gradients', async () => {
  const { made, gradient, other } = await run(9, [9], (tokens, x) => tokens.collect(tokens.shared(x), tokens.own(x)))
  assert.deepEqual(made, X)
  assert.deepEqual(gradient, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(other, gradient)
})
