import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadedModel } from '../../../src/gpu-worker/models/load-folder.ts'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { quantiseWeights, type Matrices } from '../../../src/gpu-worker/rollout/quantise-weights.ts'
import { BatchDecoder } from '../../../src/gpu-worker/serve/batch-decoder.ts'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { fixtureModel, tinyModel } from '../../helpers/fixture-model.ts'

const PROMPT = [5, 9, 33, 101, 4, 55]

/** Logits after the prompt, and after one more token. */
async function logits(model: LoadedModel['model'], weights: Weights, matrices?: Matrices): Promise<number[]> {
  const options = { slots: 1, capacity: 16, threads: 1, ids: model.vocabularySize, matrices }
  const decoder = await BatchDecoder.create(model, weights, options)
  const seen: number[] = []
  await new Promise<void>((resolve) => {
    const choose = (row: Float32Array) => {
      const first = seen.length === 0
      seen.push(...row)
      return first ? 7 : (resolve(), null)
    }
    decoder.add(PROMPT, [choose])
  })
  await decoder.release()
  return seen
}

/** The matrices as numbers again, in the layout that the model has them in. */
function dequantised({ parameters }: LoadedModel['model'], weights: Weights, matrices: Matrices): Weights {
  const numbers = [...matrices].map(([name, { rows, columns, bytes, scales }]) => {
    const shape = parameters.get(name)!
    const at = (r: number, c: number) => scales[(r * columns + c) >> 5]! * (bytes[r * columns + c]! - 128)
    const outFirst = shape[0] === rows
    const data = Float32Array.from({ length: rows * columns }, (_, i) =>
      outFirst ? at(Math.floor(i / columns), i % columns) : at(i % rows, Math.floor(i / rows)),
    )
    return [name, { shape, data }] as const
  })
  return new Map([...weights, ...numbers])
}

const norm = (values: readonly number[]) => Math.sqrt(values.reduce((total, x) => total + x * x, 0))

const MODELS: [string, () => LoadedModel, matrices: number][] = [
  ['a Llama, all of it', () => openPath(tinyModelFolder()), 1 + 7 * 4],
  // 48 wide: only the products with the feed-forward width have rows of a multiple of 32.
  ['a Llama, the down projections', () => fixtureModel('smollm2'), 2],
  ['GPT-2, whose weights lie the other way round', () => fixtureModel('gpt2'), 2],
]

for (const [name, load, count] of MODELS) {
  test(`${name}: products with Q8_0 matrices are those with the numbers they stand for, but for 8-bit activations`, async () => {
    const { model, weights } = load()
    const frozen = quantiseWeights(model, weights)
    assert.equal(frozen.matrices.size, count)
    assert.equal(frozen.weights.size, weights.size - count)
    const expected = await logits(model, dequantised(model, frozen.weights, frozen.matrices))
    const found = await logits(model, frozen.weights, frozen.matrices)
    const error = norm(found.map((x, i) => x - expected[i]!)) / norm(expected)
    assert.ok(error > 0 && error < 0.02, `logits are off by ${error} of their size`)
  })
}

test('a model without a matrix of such rows is refused', () => {
  const { model, weights } = tinyModel(40)
  assert.throws(() => quantiseWeights(model, weights), { code: 'unsupported_model', message: /multiple of 32/ })
})
