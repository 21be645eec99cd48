import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Rng } from '../../../src/core/ports.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { drawToken } from '../../../src/gpu-worker/rollout/decode-graph.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32, float32Scalar, int64Buffer } from '../../../src/gpu-worker/runtime/tensors.ts'
import { TokenSampler, type Sampling } from '../../../src/gpu-worker/serve/token-sampler.ts'

const NEUTRAL: Sampling = {
  temperature: 1,
  minP: 0,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  allowedIds: null,
  minTokens: 0,
}

const fixed = (uniform: number): Rng => ({ uniform: () => uniform })

const P = [0.5, 0.25, 0.15, 0.1]
const LOGITS = Float32Array.from(P, (p) => Math.log(p) + 3)

const sampler = (change: Partial<Sampling>, rng: Rng = new SeededRng(5), prompt: number[] = [], ends: number[] = []) =>
  new TokenSampler({ ...NEUTRAL, ...change }, prompt, ends, rng)

/** How often each token is drawn in `count` draws. */
function frequencies(change: Partial<Sampling>, logits = LOGITS, count = 20_000): number[] {
  const rng = new SeededRng(5)
  const hits = Array.from(logits, () => 0)
  for (let i = 0; i < count; i++) hits[sampler(change, rng).choose(logits)!.id]!++
  return hits.map((n) => n / count)
}

/** Softmax. */
function probabilities(scores: ArrayLike<number>): number[] {
  const weights = Array.from(scores, (score) => Math.exp(score - Math.max(...Array.from(scores))))
  const total = weights.reduce((a, b) => a + b)
  return weights.map((weight) => weight / total)
}

const assertClose = (actual: number[], expected: number[], within = 0.012) =>
  expected.forEach((p, i) => assert.ok(Math.abs(actual[i]! - p) < within, `${actual} is not ${expected}`))

interface Row {
  change: Partial<{
    temperature: number
    min_p: number
    top_k: number
    top_p: number
    repetition_penalty: number
    frequency_penalty: number
    presence_penalty: number
    logit_bias: Record<string, number>
    allowed: number[]
    min_tokens: number
  }>
  logits: number[]
  prompt: number[]
  output: number[]
  ends: number[]
  probabilities: number[]
}

const rows = JSON.parse(
  readFileSync(new URL('../../fixtures/sampling/expected.json', import.meta.url), 'utf8'),
) as Row[]

for (const { change, logits, prompt, output, ends, probabilities: expected } of rows) {
  test(`has transformers’ distribution with ${JSON.stringify(change)}`, () => {
    const sampling: Partial<Sampling> = {
      temperature: change.temperature ?? 1,
      minP: change.min_p ?? 0,
      topK: change.top_k ?? 0,
      topP: change.top_p ?? 1,
      repetitionPenalty: change.repetition_penalty ?? 1,
      frequencyPenalty: change.frequency_penalty ?? 0,
      presencePenalty: change.presence_penalty ?? 0,
      logitBias: Object.entries(change.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias] as const),
      allowedIds: change.allowed ?? null,
      minTokens: change.min_tokens ?? 0,
    }
    const one = sampler(sampling, fixed(0.5), prompt, ends)
    for (const id of output) one.take(id)
    assertClose(probabilities(one.choose(Float32Array.from(logits))!.scores()), expected, 2e-6)
  })
}

test('draws by the probabilities, sharpened or flattened by the temperature', () => {
  assertClose(frequencies({}), P)
  const squares = P.map((p) => p * p)
  const total = squares.reduce((a, b) => a + b)
  assertClose(
    frequencies({ temperature: 0.5 }),
    squares.map((p) => p / total),
  )
  assert.deepEqual(frequencies({ temperature: 0 }, LOGITS, 10), [1, 0, 0, 0])
  assert.deepEqual(frequencies({ temperature: 1e-310 }, LOGITS, 10), [1, 0, 0, 0])
})

test('top-p draws from the fewest tokens that reach it, top-k keeps ties', () => {
  assertClose(frequencies({ topP: 0.7 }), [2 / 3, 1 / 3, 0, 0])
  assertClose(frequencies({ topP: 0.76 }), [0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0])
  assert.deepEqual(frequencies({ topP: 1e-9 }, LOGITS, 100), [1, 0, 0, 0])
  assertClose(frequencies({ topK: 2 }, Float32Array.of(0, 1, 0, 1, 1)), [0, 1 / 3, 0, 1 / 3, 1 / 3])
})

test('greedy choice obeys bias and penalties, of which counts are the answer’s own', () => {
  const greedy = sampler({ temperature: 0, frequencyPenalty: 0.5, presencePenalty: 0.25 }, undefined, [0])
  const logits = Float32Array.of(1, 0.6, -9)
  // 0: 1, 0.25, …; 1: 0.6, then −0.15 and −0.65 for each more.
  assert.deepEqual(
    Array.from({ length: 4 }, () => {
      const { id } = greedy.choose(logits)!
      greedy.take(id)
      return id
    }),
    [0, 1, 0, 1],
  )
  assert.equal(sampler({ temperature: 0, logitBias: [[2, 11]] }).choose(logits)!.id, 2)
  assert.equal(sampler({ temperature: 0, repetitionPenalty: 2 }, undefined, [0]).choose(logits)!.id, 1)
})

test('never draws a token at minus infinity; where nothing is left, says so', () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity)
  assert.deepEqual(frequencies({ temperature: 2, topP: 0.99 }, logits, 200), [0, 1, 0])
  assert.equal(sampler({ allowedIds: [0, 2] }).choose(logits), null)
  assert.equal(sampler({ minTokens: 1 }, undefined, [], [1]).choose(logits), null)
})

test('draws what training’s sampler draws from the same number', async () => {
  const [R, V] = [64, 600]
  const rng = new SeededRng(9)
  const logits = Float32Array.from({ length: R * V }, () => 6 * rng.uniform() - 3)
  const uniform = Float32Array.from({ length: R }, () => rng.uniform())
  const temperature = 0.7
  const g = new Graph()
  drawToken(g, g.input('logits', 'float32', ['R', V]), V)
  const session = await Session.create(g, { threads: 1 })
  const [next, logprob] = [new BigInt64Array(R), new Float32Array(R)]
  await session.run(
    {
      logits: float32(logits, [R, V]),
      inverse_temperature: float32Scalar(1 / temperature),
      uniform: float32(uniform, [R, 1]),
    },
    { next: int64Buffer(next, [R, 1]), logprob: float32(logprob, [R, 1]) },
  )
  await session.release()
  for (let row = 0; row < R; row++) {
    const { id, scores } = sampler({ temperature }, fixed(uniform[row]!)).choose(
      logits.subarray(row * V, (row + 1) * V),
    )!
    assert.equal(id, Number(next[row]), `row ${row}`)
    assert.ok(Math.abs(Math.log(probabilities(scores())[id]!) - logprob[row]!) < 1e-5)
  }
})
