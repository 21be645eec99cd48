import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bundleRows,
  makeBatch,
  makeBundledBatch,
  splitByTokens,
  type Batch,
} from '../../../src/gpu-worker/engines/batch.ts'

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
    segments: [
      [3, 3],
      [0, 0, 0, 0, 0, -1, 0, 0, 0],
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
    segments: [
      [3, 3],
      [0, 0, 0, -1, 0, 0, 0, 0, 0],
    ],
    predict: [[3], [0, 1, 4]],
    targets: [[3], [8, 9, 6]],
    rows: [[3], [0, 0, 1]],
  })
})

test('rows with the same prompt are one sequence: the prompt once, from its last token on each row its own', () => {
  const row = (...own: number[]) => ({ ids: [7, 8, 9, ...own], start: 3 })
  const batch = makeBundledBatch([[row(1, 2), row(3)], [{ ids: [4, 5], start: 1 }]])
  assert.equal(batch.tokens, 4)
  assert.deepEqual(plain(batch), {
    ids: [
      [2, 7],
      [7, 8, 9, 1, 2, 9, 3, 4, 5, 0, 0, 0, 0, 0],
    ],
    positions: [
      [2, 7],
      [0, 1, 2, 3, 4, 2, 3, 0, 1, 0, 0, 0, 0, 0],
    ],
    segments: [
      [2, 7],
      [0, 0, 1, 1, 1, 2, 2, 0, 0, -1, -1, -1, -1, -1],
    ],
    predict: [[4], [2, 3, 5, 7]],
    targets: [[4], [1, 2, 3, 5]],
    rows: [[4], [0, 0, 1, 2]],
  })
})

test('neighbours with the same prompt are bundled as long as the bundle is short enough to pay', () => {
  const row = (prompt: number[], length: number) => ({ ids: [...prompt, ...Array<number>(length).fill(1)], start: prompt.length }) // prettier-ignore
  const [a, b] = [Array<number>(50).fill(5), Array<number>(50).fill(6)]
  const rows = [row(a, 20), row(a, 30), row(b, 10), row(a, 10), row([5], 3), row([5], 4)]
  assert.deepEqual(bundleRows(rows), [[0, 1], [2], [3], [4], [5]])
  // 49 shared, and 101 of each row's own: three fit into 384 tokens.
  const long = Array.from({ length: 7 }, () => row(a, 100))
  assert.deepEqual(
    bundleRows(long).map((bundle) => bundle.length),
    [3, 3, 1],
  )
  assert.deepEqual(bundleRows([]), [])
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
