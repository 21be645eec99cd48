import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { assertClose } from '../../helpers/close.ts'
import { filesOf, runJob } from '../../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS } from '../../helpers/small-jobs.ts'
import { column, farthestMove, FIRST_STEP_IS_THE_RATE, secondsOf, slowingClock } from '../../helpers/watch-run.ts'

type Of = Partial<Parameters<typeof runJob>[1]>
const run = (config: object, of: Of = {}) =>
  runJob(job('grpo', config), { model: MODEL, rows: ROWS, judge: byLength, ...of })

test('the learning rate warms up, decays, and is what the update takes', async () => {
  const config = { steps: 4, learning_rate: 4e-3, warmup_steps: 2, schedule: 'linear' }
  const done = await run({ ...config, ...FIRST_STEP_IS_THE_RATE })
  // Half of the peak, the peak, and from there towards 0 one step after the last.
  assertClose(column(done, 'learning_rate'), [2e-3, 4e-3, 4e-3, 2e-3], 1e-12)
  assert.ok(Math.abs(farthestMove(done, MODEL) / 2e-3 - 1) < 1e-3)
})

test('a steered KL coefficient weighs the KL of the next step, also where the run goes on from a checkpoint', async () => {
  // A step is as many completions as the horizon. At first there is no divergence; then it is far above the target.
  const steered = { steps: 4, learning_rate: 3e-3, kl_coefficient: 0.1, kl_target: 1e-6, kl_horizon: 16 }
  const coefficients = [0.1, 0.08, 0.096, 0.1152]
  const whole = await run({ ...steered, checkpoint_every: 2 })
  // Answers of one length, whose advantages cancel out: what is left of the loss is the KL.
  assert.deepEqual(column(whole, 'completion_length'), [6, 6, 6, 6])
  const expected = column(whole, 'kl').map((kl, i) => coefficients[i]! * kl)
  assert.ok(expected[3]! > 1e-4, `${expected}`)
  for (const [i, loss] of column(whole, 'loss').entries()) {
    assert.ok(Math.abs(loss - expected[i]!) < 1e-6 + 1e-3 * expected[i]!, `${loss} and ${expected[i]}`)
  }
  const [half] = whole.checkpoints
  assertClose([half!.state.kl_coefficient as number], [coefficients[2]!], 1e-12)
  const rest = await run(steered, { resume: half! })
  assertClose(column(rest, 'kl_coefficient'), coefficients.slice(2), 1e-12)
  assert.deepEqual(rest.metrics, whole.metrics.slice(2))
})

test('a run that goes on between two resets of its reference ends like one that never stopped', async () => {
  const config = { steps: 4, learning_rate: 3e-3, kl_coefficient: 0.1, reference_reset_every: 2, importance_cap: 2 }
  const whole = await run({ ...config, checkpoint_every: 3 })
  const [middle, end] = whole.checkpoints
  const rest = await run(config, { resume: middle! })
  assert.deepEqual(rest.metrics, whole.metrics.slice(3))
  assert.deepEqual(filesOf(rest.checkpoints[0]!), filesOf(end!))
  assert.deepEqual(rest.checkpoints[0]!.state, end!.state)
  // The trainer computes what the sampler did, up to rounding.
  assertClose(column(whole, 'importance/mean'), [1, 1, 1, 1], 1e-3)
  assert.deepEqual(column(whole, 'importance/capped'), [0, 0, 0, 0])
})

test('a step is rollouts, rewards and updates; rounds of dynamic sampling add up', async () => {
  const once = await run({ steps: 1 }, { clock: slowingClock() })
  assert.deepEqual(secondsOf(once), [{ 'seconds/rollout': 1, 'seconds/reward': 2, 'seconds/update': 3 }])
  const twice = await run({ steps: 1, dynamic_sampling: 1 }, { clock: slowingClock(), judge: () => 0.5 })
  assert.deepEqual(secondsOf(twice), [{ 'seconds/rollout': 1 + 3, 'seconds/reward': 2 + 4, 'seconds/update': 5 }])
})

test('without a reference there is no KL to report; four rollouts of each step are kept, in order', async () => {
  const done = await run({ steps: 2 })
  assert.deepEqual([column(done, 'kl'), column(done, 'kl_coefficient')], [[], []])
  assert.deepEqual(
    done.samples.map(({ step, index }) => [step, index]),
    [1, 2].flatMap((step) => [0, 1, 2, 3].map((index) => [step, index])),
  )
  assert.deepEqual(done.result, { steps: 2, stopped_by_canary: false, canary: [] })
  // All answers of a step are under way at once.
  assert.deepEqual(done.checkpoints[0]!.state.plan, { recompute: 'nothing', microBatchTokens: 4096, slots: 16 })
})

test('groups without spread count in the mean unless dynamic sampling leaves them out', async () => {
  // Answers to the unlabelled half are all worth the same, whichever prompts take their place.
  const judge = (item: JudgeItem) => (/What is 2\d/.test(item.question!) ? 0.5 : byLength(item))
  const norm = async (dynamic_sampling: number) =>
    column(await run({ steps: 1, clip_norm: 0, dynamic_sampling }, { judge }), 'gradient_norm')[0]!
  const [kept, leftOut] = [await norm(0), await norm(1)]
  assert.ok(Math.abs(leftOut / kept - 2) < 1e-3, `${kept} and ${leftOut}`)
})

test('the first round of a step draws what any algorithm draws from that seed', async () => {
  const [ours, ppos] = [await run({ steps: 1 }), await runJob(job('ppo', { steps: 1, epochs: 1, minibatches: 1 }), { model: MODEL, rows: ROWS, judge: byLength })] // prettier-ignore
  assert.deepEqual(ours.samples, ppos.samples)
})
