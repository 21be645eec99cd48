import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readUsage, sumTokens } from '../../../src/core/judges/token-usage.ts'

const UNKNOWN = { promptTokens: 0, completionTokens: 0, uncounted: 1 }

test('counts are read in every dialect; what is not said is nothing', () => {
  const counts = (promptTokens: number, completionTokens: number) => ({ promptTokens, completionTokens })
  assert.deepEqual(readUsage({ prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 }), counts(9, 1))
  assert.deepEqual(readUsage({ input_tokens: 9, output_tokens: 1 }), counts(9, 1))
  assert.deepEqual(readUsage({ total_tokens: 12 }), counts(12, 0))
  assert.deepEqual(readUsage({ prompt_tokens: null, completion_tokens: 2 }), counts(0, 2))
  for (const usage of [undefined, null, {}]) assert.deepEqual(readUsage(usage), counts(0, 0))
  assert.deepEqual(readUsage({ prompt_tokens: 0, completion_tokens: 20_000_000 }), counts(0, 20_000_000))
})

test('what is no count makes both unknown, and is never another number', () => {
  const none = [-1, -1_000_000, 1.5, 1e-9, 9e307, 2 ** 53 + 2, 20_000_001, Infinity, NaN, '12', '', true, [3], { n: 1 }]
  for (const bad of none) {
    assert.deepEqual(readUsage({ prompt_tokens: bad, completion_tokens: 1 }), UNKNOWN, String(bad))
    assert.deepEqual(readUsage({ input_tokens: 9, output_tokens: bad }), UNKNOWN, String(bad))
  }
  for (const usage of ['12', 12, true]) assert.deepEqual(readUsage(usage), UNKNOWN, String(usage))
})

test('sums know how many calls they are without', () => {
  assert.deepEqual(sumTokens([]), { promptTokens: 0, completionTokens: 0 })
  const known = { promptTokens: 3, completionTokens: 4 }
  assert.deepEqual(sumTokens([known, UNKNOWN, known, UNKNOWN]), { promptTokens: 6, completionTokens: 8, uncounted: 2 })
})
