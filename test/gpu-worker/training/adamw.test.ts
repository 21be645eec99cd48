import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { AdamW } from '../../../src/gpu-worker/training/adamw.ts'
import { assertClose } from '../../helpers/close.ts'
import { watchSessions } from '../../helpers/watch-sessions.ts'

const SETTINGS = { beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.1, clipNorm: Infinity }
const WEIGHT = [0.5, -1, 2, 0, -0.25]
const GRADIENT = [0.1, -3, 0, 1e-3, 0.7]

/** `small`, and `large`, the same numbers over and over, enough of them to be updated in several pieces. */
const bothSizes = (pattern: number[]): Weights =>
  new Map([
    ['small', { data: Float32Array.from(pattern), shape: [5] }],
    ['large', { data: Float32Array.from({ length: 600_000 }, (_, i) => pattern[i % 5]!), shape: [120_000, 5] }],
  ])
const zeros = () => bothSizes([0, 0, 0, 0, 0])

test('every number is updated once by the same rule, wherever it stands', async () => {
  const adamw = await AdamW.create(SETTINGS, { threads: 1 })
  const weights = bothSizes(WEIGHT)
  const state = { steps: 0, firstMoment: zeros(), secondMoment: zeros() }
  for (let step = 0; step < 2; step++) {
    const gradient = bothSizes(GRADIENT)
    const norm = await adamw.step(weights, gradient, state, 0.01)
    assertClose([norm], [Math.hypot(...GRADIENT) * Math.sqrt(120_001)], 1e-5, 'norm')
    assert.ok(gradient.get('large')!.data.every((x) => x === 0))
  }
  await adamw.release()
  assert.equal(state.steps, 2)

  // Under a constant gradient the corrected moments are g and g².
  const decayed = (w: number) => w * (1 - 0.01 * 0.1)
  const once = (w: number, i: number) => decayed(w) - (0.01 * GRADIENT[i]!) / (Math.abs(GRADIENT[i]!) + 1e-4)
  assertClose(weights.get('small')!.data, WEIGHT.map(once).map(once), 1e-6)
  for (const tensors of [weights, state.firstMoment, state.secondMoment]) {
    const small = tensors.get('small')!.data
    assert.ok(tensors.get('large')!.data.every((x, i) => x === small[i % 5]))
  }
})

test('a gradient that is not a number shows in the norm', async () => {
  const adamw = await AdamW.create(SETTINGS, { threads: 1 })
  const state = { steps: 0, firstMoment: zeros(), secondMoment: zeros() }
  assert.ok(Number.isNaN(await adamw.step(bothSizes(WEIGHT), bothSizes([0, NaN, 0, 0, 0]), state, 0.01)))
  await adamw.release()
})

test('released, it leaves no session behind', async (t) => {
  const sessions = watchSessions(t)
  const adamw = await AdamW.create(SETTINGS, { threads: 1 })
  assert.deepEqual(await sessions(), { opened: 2, left: 2 })
  await adamw.release()
  assert.deepEqual(await sessions(), { opened: 2, left: 0 })
})
