import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupByPrompt, makeBatch, microBatches, type Batch } from '../../../src/gpu-worker/training/batch.ts'

const plain = ({ inputs }: Batch) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, dims }]) => [name, [dims, Array.from(data as BigInt64Array, Number)]]),
  )

test('what comes from `start` on is trained; a row’s last token is predicted, and predicts nothing', () => {
  const batch = makeBatch([
    { ids: [7, 8, 9], start: 1 },
    { ids: [5, 6], start: 1 },
    { ids: [1, 2, 3], start: 3 },
  ])
  assert.equal(batch.tokens, 3)
  assert.deepEqual(plain(batch), {
    ids: [
      [5, 1],
      [7, 8, 5, 1, 2],
    ],
    positions: [
      [5, 1],
      [0, 1, 0, 0, 1],
    ],
    // One place for what is shared, in each row but the second taken by its first token; then one of each row's own.
    shared: [
      [3, 1],
      [0, 0, 3],
    ],
    own: [
      [3, 1, 1],
      [1, 2, 4],
    ],
    shared_lengths: [[3], [1, 0, 1]],
    place: [[5], [0, 3, 4, 2, 5]],
    predict: [[3], [0, 1, 2]],
    targets: [[3], [8, 9, 6]],
    rows: [[3], [0, 0, 1]],
  })
})

test('other tokens may be wanted in place of a row’s own', () => {
  const { inputs, tokens } = makeBatch([
    { ids: [7, 8, 9, 4], start: 2, targets: [30, 31] },
    { ids: [5, 6], start: 1 },
  ])
  assert.equal(tokens, 3)
  assert.deepEqual(Array.from(inputs.targets.data as BigInt64Array, Number), [30, 31, 6])
  assert.deepEqual(Array.from(inputs.ids.data as BigInt64Array, Number), [7, 8, 9, 5])
})

test('a row of one token is computed, though nothing is predicted from it', () => {
  const { inputs, tokens } = makeBatch([{ ids: [5], start: 1 }])
  assert.equal(tokens, 0)
  assert.deepEqual([inputs.ids.dims, Array.from(inputs.ids.data as BigInt64Array, Number)], [[1, 1], [5]])
  assert.deepEqual(Array.from(inputs.shared_lengths.data as BigInt64Array, Number), [0])
})

test('rows with the same prompt share it but for its last token, from which each goes on by itself', () => {
  const row = (...own: number[]) => ({ ids: [7, 8, 9, ...own], start: 3 })
  const [{ batch, rows } = { rows: [] }, ...others] = microBatches([row(1, 2), row(3)], 100, {})
  assert.deepEqual([rows, others], [[0, 1], []])
  assert.deepEqual(plain(batch!), {
    ids: [
      [5, 1],
      [7, 8, 9, 1, 9],
    ],
    positions: [
      [5, 1],
      [0, 1, 2, 3, 2],
    ],
    shared: [
      [1, 2],
      [0, 1],
    ],
    own: [
      [1, 2, 2],
      [2, 3, 4, 0],
    ],
    shared_lengths: [[1], [2]],
    place: [[5], [0, 1, 2, 3, 4]],
    predict: [[3], [2, 3, 4]],
    targets: [[3], [1, 2, 3]],
    rows: [[3], [0, 0, 1]],
  })
})

test('a text that the model rotates otherwise for its length shares nothing', () => {
  const row = (...own: number[]) => ({ ids: [7, 8, 9, ...own], start: 3 })
  const shared = (limit: number) =>
    [...microBatches([row(1, 2), row(3), row(4)], 100, { longTexts: limit })].flatMap(({ batch }) =>
      Array.from(batch.inputs.shared_lengths.data as BigInt64Array, Number),
    )
  assert.deepEqual(shared(5), [2])
  assert.deepEqual(shared(4), [2, 2])
  assert.deepEqual(shared(3), [2, 2, 2])
})

test('only neighbours with the same prompt of more than a token are a group', () => {
  const row = (...[start, ...ids]: number[]) => ({ ids, start: start! })
  const rows = [row(2, 5, 5, 1), row(2, 5, 5, 2, 3), row(2, 5, 6, 1), row(2, 5, 5, 1), row(1, 5, 3), row(1, 5, 4)]
  assert.deepEqual(groupByPrompt(rows), [
    { shared: 1, rows: [0, 1] },
    { shared: 1, rows: [2] },
    { shared: 1, rows: [3] },
    { shared: 0, rows: [4] },
    { shared: 0, rows: [5] },
  ])
  assert.deepEqual(groupByPrompt([]), [])
})

test('micro-batches keep to the limit, padding included, with rows of like length together', () => {
  const row = (length: number) => ({ ids: Array<number>(length + 1).fill(length), start: 1 })
  const split = (lengths: number[], most: number) =>
    [...microBatches(lengths.map(row), most, {})].map(({ rows }) => rows)
  assert.deepEqual(split([3, 10, 4, 9, 5], 20), [
    [1, 3],
    [4, 2, 0],
  ])
  assert.deepEqual(split([4, 4, 4], 8), [[0, 1], [2]])
  assert.deepEqual(split([], 8), [])
  assert.deepEqual(split([30, 2, 30], 8), [[0], [2], [1]], 'a longer row goes by itself')
})
