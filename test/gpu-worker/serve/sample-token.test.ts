import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { sampleToken, tokenLogprobs } from '../../../src/gpu-worker/serve/sample-token.ts'

const P = [0.5, 0.25, 0.15, 0.1]
const LOGITS = Float32Array.from(P, (p) => Math.log(p) + 3)

/** How often each token is drawn in `count` draws. */
function frequencies(options: { temperature: number; topP: number }, logits = LOGITS, count = 20_000): number[] {
  const rng = new SeededRng(5)
  const hits = logits.reduce<number[]>((list) => [...list, 0], [])
  for (let i = 0; i < count; i++) hits[sampleToken(logits, { ...options, rng })]!++
  return hits.map((n) => n / count)
}

const assertClose = (actual: number[], expected: number[]) =>
  expected.forEach((p, i) => assert.ok(Math.abs(actual[i]! - p) < 0.012, `${actual} is not ${expected}`))

test('draws by the probabilities, sharpened or flattened by the temperature', () => {
  assertClose(frequencies({ temperature: 1, topP: 1 }), P)
  const squares = P.map((p) => p * p)
  const total = squares.reduce((a, b) => a + b)
  assertClose(
    frequencies({ temperature: 0.5, topP: 1 }),
    squares.map((p) => p / total),
  )
  assert.deepEqual(frequencies({ temperature: 0, topP: 1 }, LOGITS, 10), [1, 0, 0, 0])
})

test('top-p draws from the fewest tokens that reach it', () => {
  assertClose(frequencies({ temperature: 1, topP: 0.7 }), [2 / 3, 1 / 3, 0, 0])
  assertClose(frequencies({ temperature: 1, topP: 0.76 }), [0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0])
  assert.deepEqual(frequencies({ temperature: 1, topP: 1e-9 }, LOGITS, 100), [1, 0, 0, 0])
})

test('never draws nor tells a token at minus infinity', () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity)
  assert.deepEqual(frequencies({ temperature: 2, topP: 0.99 }, logits, 200), [0, 1, 0])
  assert.deepEqual(tokenLogprobs(logits, 1, 3), { id: 1, logprob: 0, top: [{ id: 1, logprob: 0 }] })
})

test('tells the log-probabilities of the model, the likeliest first', () => {
  const { logprob, top } = tokenLogprobs(LOGITS, 2, 3)
  assert.ok(Math.abs(logprob - Math.log(0.15)) < 1e-6)
  assert.deepEqual(
    top.map(({ id }) => id),
    [0, 1, 2],
  )
  top.forEach(({ logprob }, i) => assert.ok(Math.abs(logprob - Math.log(P[i]!)) < 1e-6))
})
