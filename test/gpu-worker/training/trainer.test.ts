import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import type { OptimizerState } from '../../../src/gpu-worker/training/adamw.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { assertClose } from '../../helpers/close.ts'
import { tinyModel } from '../../helpers/fixture-model.ts'
import { watchSessions } from '../../helpers/watch-sessions.ts'

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 0.5 }
const BATCH = makeBatch([
  { ids: [3, 1, 4, 1, 5, 9, 2, 6], start: 1 },
  { ids: [2, 7, 1, 8], start: 2 },
])
const MEAN = { weights: new Float32Array(BATCH.tokens).fill(1 / BATCH.tokens) }

const copyOf = (weights: Weights): Weights =>
  new Map([...weights].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]))

const trainerFor = (weights: Weights, state?: OptimizerState) =>
  Trainer.create(tinyModel(12).model, weights, { loss: 'cross-entropy', optimizer: OPTIMIZER, maxTokens: 16 }, state)

async function train(trainer: Trainer, steps: number): Promise<number[]> {
  const losses: number[] = []
  for (let i = 0; i < steps; i++) {
    losses.push((await trainer.accumulate(BATCH, MEAN)).loss)
    await trainer.step(3e-2)
  }
  return losses
}

test('a step is AdamW with clipping, written out', async () => {
  const { weights } = tinyModel(12)
  const trainer = await trainerFor(weights)
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = OPTIMIZER
  const expected = copyOf(weights)
  const moments = new Map([...weights].map(([name, { data }]) => [name, data.map(() => 0)]))
  const squares = new Map([...weights].map(([name, { data }]) => [name, data.map(() => 0)]))
  for (let t = 1; t <= 3; t++) {
    await trainer.accumulate(BATCH, MEAN)
    const gradient = copyOf(trainer.accumulated)
    const norm = Math.hypot(...[...gradient.values()].flatMap(({ data }) => [...data]))
    assert.ok(norm > clipNorm, 'clipping is at work')
    const { gradientNorm } = await trainer.step(0.01)
    assertClose([gradientNorm], [norm], 1e-6, 'norm before clipping')
    for (const [name, { data }] of expected) {
      const [m, v] = [moments.get(name)!, squares.get(name)!]
      gradient.get(name)!.data.forEach((raw, i) => {
        const g = (raw * clipNorm) / norm
        m[i] = beta1 * m[i]! + (1 - beta1) * g
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g
        const step = m[i] / (1 - beta1 ** t) / (Math.sqrt(v[i] / (1 - beta2 ** t)) + epsilon)
        data[i] = data[i]! * (1 - 0.01 * weightDecay) - 0.01 * step
      })
      assertClose(weights.get(name)!.data, data, 2e-6, `${name} after step ${t}`)
    }
  }
  await trainer.release()
})

test('training lowers the loss; a gradient is spent by its step', async () => {
  const trainer = await trainerFor(tinyModel(12).weights)
  const losses = await train(trainer, 20)
  assert.ok(losses.at(-1)! < 0.3 * losses[0]!, `${losses}`)
  assert.ok([...trainer.accumulated.values()].every(({ data }) => data.every((x) => x === 0)))
  await trainer.release()
})

test('a run taken up from its weights and optimizer state goes on to the same bytes', async () => {
  const { weights } = tinyModel(12)
  const whole = await trainerFor(weights)
  await train(whole, 2)
  const [keptWeights, kept] = [copyOf(weights), whole.state]
  const state = { steps: kept.steps, firstMoment: copyOf(kept.firstMoment), secondMoment: copyOf(kept.secondMoment) }
  await train(whole, 2)

  const resumed = await trainerFor(keptWeights, state)
  await train(resumed, 2)
  assert.equal(resumed.state.steps, 4)
  assert.deepEqual(keptWeights, weights)
  assert.deepEqual(resumed.state, whole.state)
  await whole.release()
  await resumed.release()
})

test('log-probabilities are those at the temperature asked for', async () => {
  const trainer = await trainerFor(tinyModel(12).weights)
  const [warm, cool] = [
    await trainer.accumulate(BATCH, { ...MEAN, temperature: 1 }),
    await trainer.accumulate(BATCH, { ...MEAN, temperature: 1e6 }),
  ]
  assertClose(cool.logprobs, new Float32Array(BATCH.tokens).fill(Math.log(1 / 12)), 1e-5)
  assert.notDeepEqual(warm.logprobs, cool.logprobs)
  assertClose([warm.loss], [-warm.logprobs.reduce((a, b) => a + b) / BATCH.tokens], 1e-6)
  await trainer.release()
})

test('released, it leaves no session behind: that of the gradient and the optimizer’s two', async (t) => {
  const sessions = watchSessions(t)
  const trainer = await trainerFor(tinyModel(12).weights)
  assert.deepEqual(await sessions(), { opened: 3, left: 3 })
  await trainer.release()
  assert.deepEqual(await sessions(), { opened: 3, left: 0 })
})

test('the gradient is computed with the threads and on the device asked for, the step on the CPU', async (t) => {
  const create = t.mock.method(Session, 'create')
  const { model, weights } = tinyModel(12)
  const options = { loss: 'cross-entropy', optimizer: OPTIMIZER, maxTokens: 16, threads: 2, device: 'cpu' } as const
  await (await Trainer.create(model, weights, options)).release()
  const given = create.mock.calls.map(({ arguments: [, given] }) => [given?.threads, given?.device])
  assert.deepEqual(given, [[2, 'cpu'], [2, undefined], [2, undefined]]) // prettier-ignore
})

test('without a value head there are no values', async () => {
  const trainer = await trainerFor(tinyModel(12).weights)
  assert.deepEqual((await trainer.accumulate(BATCH, MEAN)).values, new Float32Array())
  await trainer.release()
})
