import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recompute } from '../../../src/core/schemas/training.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { prefixBatch } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { gradientGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { TrainingLayers } from '../../../src/gpu-worker/training/training-layers.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

/** Of a first text of 5 tokens, a second that shares 3 of them and has 1 more, and a third of 3. */
const { inputs } = prefixBatch(
  [
    { shared: 3, rows: [0, 1] },
    { shared: 2, rows: [2] },
  ],
  [[7, 8, 9, 1, 2], [7, 8, 9, 3], [5, 6, 4]], // prettier-ignore
)
/** Of each token, so that a mean tells whose it is. */
const VALUES = [1, 2, 4, 8, 16, 32, 64, 128, 256]

/** Attention with queries and keys of 0: at each token the mean of what it sees. */
const seen = (window?: number) => seenBy({ heads: 1, kvHeads: 1, ...(window && { window }) }, VALUES)

/** @param values of each token, `kvHeads` numbers each */
async function seenBy(of: { heads: number; kvHeads: number; window?: number }, values: number[]) {
  const { heads, kvHeads } = of
  const g = new Graph()
  const layers = new TrainingLayers(g, { ...fixtureModel('llama').model, parameters: new Map() }, { maxTokens: 8 })
  g.nameDimension('N', () => g.sizeOf(layers.positions, 0))
  const inputOf = (name: string, width: number) => g.input(name, 'float32', ['N', width])
  const [q, k, v] = [inputOf('q', heads), inputOf('k', kvHeads), inputOf('v', kvHeads)]
  g.output('y', layers.attention(q, k, v, { ...of, headSize: 1, scale: 1 }))
  const zeros = (width: number) => float32(new Float32Array(9 * width), [9, width])
  const y = zeros(heads)
  const session = await Session.create(g, { threads: 1 })
  const v9 = float32(Float32Array.from(values), [9, kvHeads])
  await session.run({ ...inputs, q: zeros(heads), k: zeros(kvHeads), v: v9 }, { y })
  await session.release()
  return y.data as Float32Array
}

test('a token sees itself and what its own text has before it, shared or not', async () => {
  assertClose(await seen(), [1, 3 / 2, 7 / 3, 15 / 4, 31 / 5, (7 + 32) / 4, 64, (64 + 128) / 2, (64 + 128 + 256) / 3], 1e-6) // prettier-ignore
})

test('heads share keys and values in groups: the first ones the first, and so on', async () => {
  const y = await seenBy({ heads: 6, kvHeads: 2 }, VALUES.flatMap((value) => [value, -value])) // prettier-ignore
  const alone = await seen()
  assertClose(y, [...alone].flatMap((mean) => [mean, mean, mean, -mean, -mean, -mean]), 1e-6) // prettier-ignore
})

test('through a window it sees so many positions, itself included', async () => {
  assertClose(await seen(2), [1, 3 / 2, 6 / 2, 12 / 2, 24 / 2, (4 + 32) / 2, 64, 192 / 2, (128 + 256) / 2], 1e-6)
  assertClose(await seen(3), [1, 3 / 2, 7 / 3, 14 / 3, 28 / 3, (2 + 4 + 32) / 3, 64, 192 / 2, 448 / 3], 1e-6)
  assertClose(await seen(1), VALUES, 1e-6)
})

test('the backward pass computes again what it was told to: nothing, attention’s scores, or all products', () => {
  const { model } = fixtureModel('llama')
  const counts = (recompute: Recompute) => {
    const { nodes } = gradientGraph(model, 'cross-entropy', { maxTokens: 8, recompute })
    return ['Gemm', 'FusedMatMul', 'Softmax'].map((op) => nodes.filter((node) => node.op === op).length)
  }
  const nothing = counts('nothing')
  const again = (recompute: Recompute) => counts(recompute).map((count, i) => count - nothing[i]!)
  // Two layers, whose attention is once among what is shared and once from what is of each text alone.
  assert.deepEqual(again('cheap'), [0, 2 * 2, 2 * 2])
  // Seven projections a layer; of attention also the product with the values.
  assert.deepEqual(again('all'), [2 * 7, 2 * 2 * 2, 2 * 2])
})
