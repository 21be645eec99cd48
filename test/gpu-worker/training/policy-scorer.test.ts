import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Model } from '../../../src/gpu-worker/models/model.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { PolicyScorer } from '../../../src/gpu-worker/training/policy-scorer.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { initialValueHead, withValueHead } from '../../../src/gpu-worker/training/value-head.ts'
import { assertClose } from '../../helpers/close.ts'
import { tinyModel } from '../../helpers/fixture-model.ts'

const ROWS = [
  { ids: [2, 7, 1, 8], start: 2 },
  { ids: [3, 1, 4, 1, 5, 9, 2, 6], start: 1 },
  { ids: [5, 5, 5], start: 3 },
  { ids: [2, 9, 1, 3, 11], start: 3 },
]
const COUNTS = [2, 7, 0, 2]
const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 }
const TEMPERATURE = 0.7

/** The same of one batch of all rows, as training sees it. */
async function trained(model: Model, weights: Weights) {
  const trainer = await Trainer.create(model, weights, {
    loss: model.valueHead ? 'policy-value' : 'cross-entropy',
    optimizer: OPTIMIZER,
    maxTokens: 16,
    threads: 1,
  })
  const batch = makeBatch(ROWS)
  const zeros = new Float32Array(batch.tokens)
  const perToken = { old: zeros, advantage: zeros, reference: zeros, old_value: zeros, return: zeros }
  const settings = {
    ...{ sequence_ratio: 0, ratio_low: 0.8, ratio_high: 1.2, dual_clip: 3, k2: 0, k3: 0 },
    ...{ value_clip: 0.2, value_weight: 1 },
  }
  const result = await trainer.accumulate(batch, {
    weights: zeros,
    temperature: TEMPERATURE,
    ...(model.valueHead && { perToken, settings }),
  })
  await trainer.release()
  return result
}

async function scored(model: Model, weights: Weights, microBatchTokens: number) {
  const scorer = await PolicyScorer.create({ model, weights }, 16, { threads: 1 })
  return scorer.score(ROWS, { temperature: TEMPERATURE, microBatchTokens })
}

for (const microBatchTokens of [1000, 10, 1]) {
  test(`log-probs are those that training sees, row by row; no values without a head; ${microBatchTokens} tokens at once`, async () => {
    const { model, weights } = tinyModel(12)
    const { logprobs, values } = await scored(model, weights, microBatchTokens)
    assert.deepEqual(logprobs.map(({ length }) => length), COUNTS) // prettier-ignore
    assertClose(logprobs.flatMap((row) => [...row]), (await trained(model, weights)).logprobs, 1e-5) // prettier-ignore
    assert.deepEqual(values, [])
  })

  test(`with a head, values come along; ${microBatchTokens} tokens at once`, async () => {
    const { model: base, weights } = tinyModel(12)
    const model = withValueHead(base)
    const head = initialValueHead(base)
    head.get('value_head.weight')!.data.forEach((_, i, all) => (all[i] = 0.1 * (i - 7)))
    head.get('value_head.bias')!.data[0] = 0.25
    const all: Weights = new Map([...weights, ...head])
    const { logprobs, values } = await scored(model, all, microBatchTokens)
    const wanted = await trained(model, all)
    assert.ok(new Set(wanted.values).size === wanted.values.length, 'each value is another')
    assert.deepEqual(values.map(({ length }) => length), COUNTS) // prettier-ignore
    assertClose(values.flatMap((row) => [...row]), wanted.values, 1e-5) // prettier-ignore
    assertClose(logprobs.flatMap((row) => [...row]), wanted.logprobs, 1e-5) // prettier-ignore
  })
}
