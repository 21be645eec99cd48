import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mean, squaredDeviations, standardDeviation } from '../../src/core/moments.ts'

test('mean, squared deviations and sample standard deviation', () => {
  assert.equal(mean([2, 4, 4, 4, 5, 5, 7, 9]), 5)
  assert.ok(Math.abs(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])! - Math.sqrt(32 / 7)) < 1e-12)
  assert.equal(squaredDeviations([2, 4, 4, 4, 5, 5, 7, 9]), 32)
  assert.equal(mean([]), null)
  assert.equal(squaredDeviations([]), 0)
  assert.equal(standardDeviation([1, 3]), Math.SQRT2)
  assert.equal(standardDeviation([1]), null)
})
