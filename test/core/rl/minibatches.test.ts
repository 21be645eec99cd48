import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { minibatchesOf, seededOrder } from '../../../src/core/rl/minibatches.ts'

const rows = (count: number) => Array.from({ length: count }, (_, id) => ({ id, weight: 0.25 }))
const never = () => assert.fail('a batch that stays whole has no order')

describe('a batch in parts', () => {
  test('every row is in one of them, in the order given, and they differ by one row at most', () => {
    const parts = minibatchesOf(rows(7), 3, () => [6, 5, 4, 3, 2, 1, 0])
    const ids = parts.map((part) => part.map(({ id }) => id))
    assert.deepEqual(ids, [[6, 5], [4, 3], [2, 1, 0]]) // prettier-ignore
  })

  test('each part is weighed up to stand for all', () => {
    const weights = minibatchesOf(rows(6), 3, () => [0, 1, 2, 3, 4, 5]).flat().map(({ weight }) => weight) // prettier-ignore
    assert.deepEqual(weights, Array(6).fill(0.75))
    // Of fewer rows than parts there are as many parts as rows.
    const few = minibatchesOf(rows(2), 5, () => [1, 0])
    assert.deepEqual(few, [[{ id: 1, weight: 0.5 }], [{ id: 0, weight: 0.5 }]])
  })

  test('one part is the batch as it stands; of no rows there are no parts', () => {
    assert.deepEqual(minibatchesOf(rows(3), 1, never), [rows(3)])
    assert.deepEqual(minibatchesOf([], 4, never), [])
  })
})

test('the order is a permutation, the same for the same seed, step and epoch, and another for each other', () => {
  const of = { seed: 1, step: 2, epoch: 0 }
  const order = Array.from(seededOrder(40, of))
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  )
  assert.deepEqual(Array.from(seededOrder(40, of)), order)
  for (const other of [{ seed: 2 }, { step: 3 }, { epoch: 1 }]) {
    assert.notDeepEqual(Array.from(seededOrder(40, { ...of, ...other })), order, JSON.stringify(other))
  }
})
