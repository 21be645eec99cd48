import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { accumulateGradients } from '../../../src/gpu-worker/training/accumulate-gradients.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { initialValueHead, withValueHead } from '../../../src/gpu-worker/training/value-head.ts'
import { assertClose } from '../../helpers/close.ts'
import { tinyModel } from '../../helpers/fixture-model.ts'

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1e9 }
const ROWS = [
  { ids: [3, 1, 4, 1, 5, 9, 2, 6], start: 3 },
  { ids: [2, 7, 1, 8], start: 1 },
]
const BATCH = makeBatch(ROWS)
const spread = (from: number, step: number) => Float32Array.from({ length: BATCH.tokens }, (_, i) => from + i * step)
const LOSS = {
  weights: spread(0.05, 0.02),
  perToken: {
    old: spread(-2.6, 0.05),
    advantage: spread(-1, 0.3),
    reference: spread(-2.4, 0),
    old_value: spread(0.1, 0.01),
    return: spread(1, -0.2),
  },
  settings: {
    ...{ sequence_ratio: 0, ratio_low: 0.8, ratio_high: 1.2, dual_clip: 1e30, k2: 0, k3: 0 },
    ...{ value_clip: 0.2, value_weight: 5 },
  },
}

async function withHead() {
  const { model, weights } = tinyModel(12)
  const all: Weights = new Map([...weights, ...initialValueHead(model)])
  const trainer = await Trainer.create(withValueHead(model), all, {
    loss: 'policy-value',
    optimizer: OPTIMIZER,
    maxTokens: 16,
    threads: 1,
  })
  return { all, trainer }
}

test('values are a linear function of the hidden states, nothing at first; their loss reaches every layer', async () => {
  const { all, trainer } = await withHead()
  const first = await trainer.accumulate(BATCH, LOSS)
  assert.deepEqual([...first.values], Array(BATCH.tokens).fill(0))
  await trainer.step((name) => (name.startsWith('value_head') ? 0.1 : 0))
  assert.ok(all.get('value_head.weight')!.data.every((x) => x !== 0))
  assert.deepEqual(
    all.get('model.norm.weight')!.data,
    tinyModel(12).weights.get('model.norm.weight')!.data,
    'other parameters have a rate of their own',
  )

  // A gradient by differences, through head and layers.
  await trainer.accumulate(BATCH, LOSS)
  const gradients = new Map([...trainer.accumulated].map(([name, { data }]) => [name, data.slice()]))
  for (const [name, index] of [
    ['value_head.weight', 3],
    ['value_head.bias', 0],
    ['model.layers.0.mlp.up_proj.weight', 5],
    ['model.norm.weight', 2],
  ] as const) {
    const { data } = all.get(name)!
    const gradient = gradients.get(name)![index]!
    const lossAt = async (change: number) => {
      const held = data[index]!
      data[index] = held + change
      const { loss } = await trainer.accumulate(BATCH, LOSS)
      data[index] = held
      return loss
    }
    const step = 2 ** -8
    assertClose([gradient], [((await lossAt(step)) - (await lossAt(-step))) / (2 * step)], 2e-3, name)
  }
  await trainer.release()
})

test('a head of nothing but a bias values everything at that', async () => {
  const { all, trainer } = await withHead()
  all.get('value_head.bias')!.data[0] = 0.375
  assert.deepEqual((await trainer.accumulate(BATCH, LOSS)).values, new Float32Array(BATCH.tokens).fill(0.375))
  await trainer.release()
})

test('a loss that is no number is traced to its row', async () => {
  const { trainer } = await withHead()
  const rows = ROWS.map((row, i) => ({
    ...row,
    weight: 0.1,
    perToken: { old: -2, advantage: 1, reference: -2, old_value: 0, return: i === 1 ? NaN : 1 },
  }))
  const { loss, broken } = await accumulateGradients(trainer, rows, { microBatchTokens: 8, settings: LOSS.settings })
  assert.ok(Number.isNaN(loss))
  assert.deepEqual(broken, [1])
  await trainer.release()
})
