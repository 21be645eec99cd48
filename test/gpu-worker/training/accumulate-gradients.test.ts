import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accumulateGradients, type TrainingRow } from '../../../src/gpu-worker/training/accumulate-gradients.ts'
import { Trainer, type LossInputs } from '../../../src/gpu-worker/training/trainer.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel, tinyModel } from '../../helpers/fixture-model.ts'

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }

/** Rows of 3 to 9 tokens, with weights, advantages and old log-probabilities of their own. */
const ROWS: TrainingRow[] = [5, 9, 3, 7, 9, 4].map((length, r) => ({
  ids: Array.from({ length }, (_, t) => (7 * r + 3 * t) % 40),
  start: 1 + (r % 2),
  weight: 0.05 + 0.02 * r,
  perToken: {
    old: Array.from({ length: length - 1 - (r % 2) }, (_, t) => -3.7 + 0.1 * t),
    reference: -3.6,
    advantage: r - 2.5,
  },
}))

async function accumulate(microBatchTokens: number) {
  const { model, weights } = tinyModel(40)
  const trainer = await Trainer.create(model, weights, { loss: 'policy-clip', optimizer: OPTIMIZER, maxTokens: 16 })
  const settings = { sequence_ratio: 1, ratio_low: 0.8, ratio_high: 1.2, dual_clip: 3, k2: 0, k3: 0.05 }
  const result = await accumulateGradients(trainer, ROWS, { microBatchTokens, settings, temperature: 0.8 })
  const gradient = [...trainer.accumulated.values()].flatMap(({ data }) => [...data])
  const { gradientNorm } = await trainer.step(1e-2)
  const updated = [...weights.values()].flatMap(({ data }) => [...data])
  await trainer.release()
  return { ...result, gradient, gradientNorm, updated }
}

test('micro-batches add up to one large batch: loss, log-probs, gradient and the step taken', async () => {
  const whole = await accumulate(1000)
  for (const tokens of [20, 1]) {
    const parts = await accumulate(tokens)
    assertClose([parts.loss], [whole.loss], 1e-6, 'loss')
    assertClose(parts.gradient, whole.gradient, 1e-6, 'gradient')
    assertClose([parts.gradientNorm], [whole.gradientNorm], 1e-6, 'norm')
    assertClose(parts.updated, whole.updated, 1e-5, 'weights')
    assert.equal(parts.logprobs.length, ROWS.length)
    parts.logprobs.forEach((row, i) => {
      assert.equal(row.length, ROWS[i]!.ids.length - ROWS[i]!.start)
      assertClose(row, whole.logprobs[i]!, 1e-6, `log-probs of row ${i}`)
    })
  }
  assert.ok(whole.gradientNorm > 0.01)
})

/** Loss, log-probs and gradient of a fixture's model on a prompt of 9 tokens with four completions. */
async function groupOf(name: string, apart: boolean) {
  const { model, weights } = fixtureModel(name)
  const trainer = await Trainer.create(model, weights, { loss: 'cross-entropy', optimizer: OPTIMIZER, maxTokens: 32 })
  const prompt = [5, 90, 33, 7, 120, 44, 8, 61, 12]
  const rows = [4, 7, 1, 5].map((length, r): TrainingRow => ({
    ids: [...prompt, ...Array.from({ length }, (_, t) => 3 + ((31 * r + 17 * t) % 150))],
    start: prompt.length,
    weight: 0.1 + 0.05 * r,
  }))
  const parts = apart ? rows.map((row) => [row]) : [rows]
  let loss = 0
  const logprobs: number[][] = []
  for (const part of parts) {
    const result = await accumulateGradients(trainer, part, { microBatchTokens: 1000 })
    loss += result.loss
    logprobs.push(...result.logprobs.map((row) => [...row]))
  }
  const gradient = [...trainer.accumulated.values()].flatMap(({ data }) => [...data])
  await trainer.release()
  return { loss, logprobs, gradient }
}

// Gemma 3 sees through windows, OPT has learned positions, LLaMA and Qwen 3 rotate theirs.
for (const name of ['llama', 'qwen3', 'gemma3', 'opt']) {
  test(`completions that share their prompt teach what they teach apart: ${name}`, async () => {
    const [together, apart] = [await groupOf(name, false), await groupOf(name, true)]
    assertClose([together.loss], [apart.loss], 1e-6, 'loss')
    assertClose(together.gradient, apart.gradient, 1e-5, 'gradient')
    together.logprobs.forEach((row, i) => assertClose(row, apart.logprobs[i]!, 1e-5, `log-probs of row ${i}`))
  })
}

/** A trainer that answers what it is told to of a batch, and keeps what it was asked. */
function standIn(answer: (tokens: number) => Awaited<ReturnType<Trainer['accumulate']>>) {
  const asked: LossInputs[] = []
  const accumulate: Trainer['accumulate'] = (batch, inputs) => {
    asked.push(inputs)
    return Promise.resolve(answer(batch.tokens))
  }
  return { trainer: { accumulate, model: {} } as Trainer, asked }
}
const rowOf = (length: number): TrainingRow => ({ ids: Array<number>(length).fill(length), start: 1, weight: 1 })

test('without settings the temperature is 1, and there is nothing else', async () => {
  const nothing = new Float32Array()
  const { trainer, asked } = standIn((tokens) => ({ loss: 0, logprobs: new Float32Array(tokens), values: nothing }))
  await accumulateGradients(trainer, [rowOf(3)], { microBatchTokens: 100 })
  assert.deepEqual(asked, [{ weights: Float32Array.of(1, 1), perToken: {}, settings: {}, temperature: 1 }])
})

test('a loss that is no number is laid at the rows with a number that is none, one among them being enough', async () => {
  const numbers = (...those: number[]) => Float32Array.from(those)
  const broken = async (logprobs: Float32Array<ArrayBuffer>, values: Float32Array<ArrayBuffer>, loss = NaN) => {
    const { trainer } = standIn(() => ({ loss, logprobs, values }))
    return (await accumulateGradients(trainer, [rowOf(3), rowOf(3)], { microBatchTokens: 100 })).broken
  }
  assert.deepEqual(await broken(numbers(-1, -2, -3, NaN), numbers()), [1])
  assert.deepEqual(await broken(numbers(-1, -2, -3, -4), numbers(0, Infinity, 0, 0)), [0])
  assert.deepEqual(await broken(numbers(-1, -2, -3, -4), numbers(0, 0, 0, 0)), [0, 1], 'nothing tells them apart')
  assert.deepEqual(await broken(numbers(-1, -2, -3, NaN), numbers(), 0.5), [], 'the loss is sound')
})

test('broken rows are told in order, though the longest goes first', async () => {
  const nothing = new Float32Array()
  const { trainer } = standIn((tokens) => ({
    loss: tokens === 4 ? 1 : -Infinity,
    logprobs: new Float32Array(tokens),
    values: nothing,
  }))
  const { broken } = await accumulateGradients(trainer, [3, 5, 9].map(rowOf), { microBatchTokens: 1 })
  assert.deepEqual(broken, [0, 2])
})
