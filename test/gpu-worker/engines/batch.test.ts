import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBatch, splitByTokens, type Batch } from '../../../src/gpu-worker/engines/batch.ts'

const plain = ({ inputs }: Batch) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, dims }]) => [name, [dims, Array.from(data as BigInt64Array, Number)]]),
  )

const ROWS = [
  { ids: [7, 8, 9], start: 1 },
  { ids: [5, 6], start: 1 },
  { ids: [1, 2, 3], start: 3 },
]

test('rows are padded on the right, and what comes from `start` on is trained', () => {
  const batch = makeBatch(ROWS)
  assert.equal(batch.tokens, 3)
  assert.deepEqual(plain(batch), {
    ids: [
      [3, 3],
      [7, 8, 9, 5, 6, 0, 1, 2, 3],
    ],
    positions: [
      [3, 3],
      [0, 1, 2, 0, 1, 0, 0, 1, 2],
    ],
    mask: [
      [3, 3],
      [1, 1, 1, 1, 1, 0, 1, 1, 1],
    ],
    predict: [[3], [0, 1, 3]],
    targets: [[3], [8, 9, 6]],
    rows: [[3], [0, 0, 1]],
  })
})

test('padded on the left, positions still count from each row’s own beginning', () => {
  assert.deepEqual(plain(makeBatch(ROWS, { padLeft: true })), {
    ids: [
      [3, 3],
      [7, 8, 9, 0, 5, 6, 1, 2, 3],
    ],
    positions: [
      [3, 3],
      [0, 1, 2, 0, 0, 1, 0, 1, 2],
    ],
    mask: [
      [3, 3],
      [1, 1, 1, 0, 1, 1, 1, 1, 1],
    ],
    predict: [[3], [0, 1, 4]],
    targets: [[3], [8, 9, 6]],
    rows: [[3], [0, 0, 1]],
  })
})

test('micro-batches keep to the limit, padding included, with rows of like length together', () => {
  assert.deepEqual(splitByTokens([3, 10, 4, 9, 5], 20), [
    [1, 3],
    [4, 2, 0],
  ])
  assert.deepEqual(splitByTokens([4, 4, 4], 8), [[0, 1], [2]])
  assert.deepEqual(splitByTokens([], 8), [])
})

test('a row longer than the limit is a micro-batch by itself', () => {
  assert.deepEqual(splitByTokens([30, 2, 30], 8), [[0], [2], [1]])
})
