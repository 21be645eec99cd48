import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countScored, NOTHING_USED, sumOf } from '../../../src/core/judges/usage-counts.ts'

const NOTHING = {
  items: 0,
  cached: 0,
  abstained: 0,
  failed: 0,
  promptTokens: 0,
  completionTokens: 0,
  uncounted: 0,
  cost: 0,
}

test('nothing used is nothing of anything, and so is what no answers used', () => {
  assert.deepEqual(NOTHING_USED, NOTHING)
  assert.deepEqual(countScored([]), NOTHING)
})

test('answers are counted, by outcome too; those known from before, and all tokens', () => {
  const asked = (promptTokens: number, completionTokens: number) => ({
    cached: false,
    usage: { promptTokens, completionTokens },
  })
  const known = { cached: true, usage: { promptTokens: 0, completionTokens: 0 } }
  const counts = countScored([
    { outcome: 'scored', ...asked(10, 1) },
    { outcome: 'scored', ...known },
    { outcome: 'scored', ...known },
    { outcome: 'scored', ...known },
    { outcome: 'abstained', ...asked(20, 2) },
    { outcome: 'abstained', ...known },
    { outcome: 'failed', ...asked(40, 4) },
    { outcome: 'scored', cached: false, usage: { promptTokens: 0, completionTokens: 0, uncounted: 1 } },
  ])
  const expected = {
    items: 8,
    cached: 4,
    abstained: 2,
    failed: 1,
    promptTokens: 70,
    completionTokens: 7,
    uncounted: 1,
    cost: 0,
  }
  assert.deepEqual(counts, expected)
})

test('sums add up each number for itself and change neither side', () => {
  const a = {
    items: 1,
    cached: 2,
    abstained: 3,
    failed: 4,
    promptTokens: 5,
    completionTokens: 6,
    uncounted: 7,
    cost: 0.5,
  }
  const b = {
    items: 10,
    cached: 20,
    abstained: 30,
    failed: 40,
    promptTokens: 50,
    completionTokens: 60,
    uncounted: 70,
    cost: 0.25,
  }
  const sum = {
    items: 11,
    cached: 22,
    abstained: 33,
    failed: 44,
    promptTokens: 55,
    completionTokens: 66,
    uncounted: 77,
    cost: 0.75,
  }
  assert.deepEqual(sumOf(Object.freeze(a), Object.freeze(b)), sum)
  assert.deepEqual(sumOf(NOTHING_USED, b), b)
  assert.deepEqual(NOTHING_USED, NOTHING)
})
