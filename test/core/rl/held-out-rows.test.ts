import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldOutRows } from '../../../src/core/rl/held-out-rows.ts'

test('holds out a share to the nearest row, one at least, and leaves one at least', () => {
  const sizes = (count: number, ...shares: number[]) => shares.map((share) => heldOutRows(count, share, 0).size)
  assert.deepEqual(sizes(10, 0.1, 0.25, 0.9, 0.001), [1, 3, 9, 1])
  assert.deepEqual(sizes(2, 0.001, 0.5, 0.9), [1, 1, 1])
  assert.throws(() => heldOutRows(1, 0.5, 0), RangeError)
})

test('the same seed and number of rows hold out the same, which are rows; another seed others', () => {
  const of = (seed: number) => [...heldOutRows(1000, 0.1, seed)].sort((a, b) => a - b)
  assert.deepEqual(of(3), of(3))
  assert.notDeepEqual(of(3), of(4))
  assert.ok(of(3).every((i) => Number.isInteger(i) && i >= 0 && i < 1000))
  // Spread over the whole: of 100 draws without a bias, fewer than 30 or more than 70 in one half has odds below 1e-4.
  const early = of(3).filter((i) => i < 500).length
  assert.ok(early > 30 && early < 70, String(early))
})
