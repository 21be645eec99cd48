import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenLogprobs } from '../../../src/gpu-worker/serve/token-logprobs.ts'

const P = [0.5, 0.25, 0.15, 0.1]
const LOGITS = Float32Array.from(P, (p) => Math.log(p) + 3)

test('tells log-probabilities, the likeliest first, and the rank', () => {
  const { logprob, rank, top } = tokenLogprobs(LOGITS, 2, { top: 3 })
  assert.ok(Math.abs(logprob - Math.log(0.15)) < 1e-6)
  assert.equal(rank, 3)
  assert.deepEqual(
    top.map(({ id }) => id),
    [0, 1, 2],
  )
  top.forEach(({ logprob }, i) => assert.ok(Math.abs(logprob - Math.log(P[i]!)) < 1e-6))
})

test('tells of the tokens that are named instead, also of impossible ones, in numbers that JSON has', () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity)
  assert.deepEqual(tokenLogprobs(logits, 1, { top: 3 }), { id: 1, logprob: 0, rank: 1, top: [{ id: 1, logprob: 0 }] })
  const { top } = tokenLogprobs(logits, 1, { top: 3, ids: [2, 1] })
  assert.deepEqual(top, [
    { id: 2, logprob: -Number.MAX_VALUE },
    { id: 1, logprob: 0 },
  ])
})
