import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchDecoder } from '../../../src/gpu-worker/serve/batch-decoder.ts'
import { initialWeights, tinyModel } from '../../../testing/tiny-model.ts'

const V = tinyModel.vocabularySize
const options = { threads: 1, slots: 4, capacity: 64, ids: V }
const prompt = Array.from({ length: 23 }, (_, i) => (i * 37 + 11) % V)

function assertNear(actual: Float32Array, expected: Float32Array): void {
  const off = actual.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
  assert.ok(off < 1e-4, `off by ${off}`)
}

test('a prompt that is read in stretches has the logits of every place, and goes on as if it had not been', async () => {
  const weights = initialWeights(1)
  const decoder = await BatchDecoder.create(tinyModel, weights, { ...options, promptLogits: 5 * V })
  const next = (ids: readonly number[]) =>
    new Promise<Float32Array>((resolve) => decoder.add(ids, [(logits) => (resolve(logits.slice()), null)]))
  // Something is under way already, so that the prompt is not in the first slot.
  let steps = 0
  const other = new Promise<void>((resolve) => decoder.add([5], [() => (++steps < 30 ? 7 : (resolve(), null))]))
  const read = new Map<number, Float32Array>()
  const lengths: number[] = []
  const after = await new Promise<Float32Array>((resolve) => {
    const goOn = (logits: Float32Array) => {
      if (lengths.push(logits.length) === 1) return 42
      return (resolve(logits.slice()), null)
    }
    decoder.add(prompt, [goOn, () => null], (logits, place) => read.set(place, logits.slice()))
  })
  await other
  assert.deepEqual(
    [...read.keys()],
    Array.from({ length: 22 }, (_, i) => i + 1),
  )
  assert.deepEqual(lengths, [V, V])
  for (const place of [1, 4, 5, 6, 10, 22]) assertNear(read.get(place)!, await next(prompt.slice(0, place)))
  assertNear(after, await next([...prompt, 42]))
  await decoder.release()
})

test('a prompt can be read without going on', async () => {
  const decoder = await BatchDecoder.create(tinyModel, initialWeights(1), options)
  const places: number[] = []
  await new Promise<void>((resolve) => {
    decoder.add(prompt, [() => (resolve(), null)], (_, place) => places.push(place))
  })
  assert.equal(places.length, 22)
  await decoder.release()
})
