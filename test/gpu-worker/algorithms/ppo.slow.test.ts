import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { readSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { assertClose } from '../../helpers/close.ts'
import { filesOf, runJob } from '../../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS } from '../../helpers/small-jobs.ts'
import { column, farthestMove, FIRST_STEP_IS_THE_RATE, secondsOf, slowingClock } from '../../helpers/watch-run.ts'

type Of = Partial<Parameters<typeof runJob>[1]>
const run = (config: object, of: Of = {}) =>
  runJob(job('ppo', config), { model: MODEL, rows: ROWS, judge: byLength, ...of })
const ONE_UPDATE = { epochs: 1, minibatches: 1 }
const isUnlabelled = ({ question }: JudgeItem) => /What is 2\d/.test(question!)

test('the learning rates of the policy and of its value head warm up apart, and are what the update takes', async () => {
  const config = { steps: 4, learning_rate: 4e-3, value_learning_rate: 0.5, warmup_steps: 2, kl_coefficient: 0 }
  const done = await run({ ...config, ...ONE_UPDATE, ...FIRST_STEP_IS_THE_RATE }, { stopAfter: 2 })
  assertClose(column(done, 'learning_rate'), [2e-3, 4e-3], 1e-12)
  assert.ok(Math.abs(farthestMove(done, MODEL) / 2e-3 - 1) < 1e-3)
  const head = readSafetensors(join(done.checkpoints[0]!.folder, 'value_head.safetensors'))
  assert.deepEqual([...head.keys()].sort(), ['value_head.bias', 'value_head.weight'])
  // It began at 0.
  const moves = [...head.values()].flatMap(({ data }) => Array.from(data, Math.abs))
  assertClose(moves, moves.map(() => 0.25), 1e-3) // prettier-ignore
})

test('a steered KL coefficient is what the next step takes off the reward, also where the run goes on', async () => {
  const config = { ...ONE_UPDATE, learning_rate: 3e-2, value_learning_rate: 0, kl_coefficient: 0.5, kl_estimator: 'k3' }
  const steered = { ...config, kl_target: 1e-9, kl_horizon: 16 }
  const { checkpoints } = await run({ ...steered, steps: 1 })
  // From here one answer of one token a step, so that its return is its reward less its KL; its value stays 0.
  const one = { prompts_per_step: 1, group_size: 1, max_new_tokens: 1, learning_rate: 0, kl_horizon: 1, steps: 3 }
  const rest = await run({ ...steered, ...one }, { resume: checkpoints[0]!, judge: () => 0.75 })
  const kl = column(rest, 'kl')
  assert.ok(Math.min(...kl) > 5e-4, `${kl}`)
  assertClose(column(rest, 'kl_coefficient'), [0.4, 0.48], 1e-12)
  assertClose(column(rest, 'value/loss'), [(0.75 - 0.4 * kl[0]!) ** 2 / 2, (0.75 - 0.48 * kl[1]!) ** 2 / 2], 1e-6)
})

test('a run that goes on from a checkpoint ends like one that never stopped, value head and all', async () => {
  const config = { steps: 2, learning_rate: 1e-3, value_learning_rate: 1e-2, kl_coefficient: 0 }
  const whole = await run({ ...config, checkpoint_every: 1 })
  const [middle, end] = whole.checkpoints
  const rest = await run(config, { resume: middle! })
  assert.deepEqual(rest.metrics, whole.metrics.slice(1))
  assert.deepEqual(filesOf(rest.checkpoints[0]!), filesOf(end!))
  assert.deepEqual([column(whole, 'kl'), column(whole, 'kl_coefficient')], [[], []], 'no reference, no KL')
  assert.deepEqual(whole.result, { steps: 2, stopped_by_canary: false, canary: [] })
})

test('answers without a score teach nothing, and are reported all the same', async () => {
  const still = { ...ONE_UPDATE, steps: 1, learning_rate: 0, value_learning_rate: 0, kl_coefficient: 0, gae_lambda: 1 }
  const judge = (item: JudgeItem) => (isUnlabelled(item) ? null : 0.5)
  const done = await run(still, { judge })
  const { values } = done.metrics[0]!
  assert.deepEqual([values.rollouts, values['reward/abstained'], values.reward, values.updates], [16, 0.5, 0.5, 1])
  // Values are 0, and each return is the reward: there is no variance to foresee.
  assertClose([values['value/loss']!, values['value/mean']!], [0.125, 0], 1e-6)
  assert.equal(values['value/explained'], undefined)
})

test('what the values foresaw of the returns is nothing at first, and more as they learn', async () => {
  const judge = (item: JudgeItem) => (isUnlabelled(item) ? 0 : 1)
  // What is to come is foreseen from the question alone.
  const config = { steps: 8, learning_rate: 0, value_learning_rate: 1e-2, kl_coefficient: 0, max_new_tokens: 1 }
  const explained = column(await run({ ...config, group_size: 1, prompts_per_step: 8 }, { judge }), 'value/explained')
  assertClose([explained[0]!], [0], 1e-9)
  assert.ok(explained.at(-1)! > 0.3 && explained.at(-1)! <= 1, `${explained}`)
})

test('a step is rollouts, rewards and updates', async () => {
  const done = await run({ steps: 1 }, { clock: slowingClock() })
  assert.deepEqual(secondsOf(done), [{ 'seconds/rollout': 1, 'seconds/reward': 2, 'seconds/update': 3 }])
})
