import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { initialWeights } from '../../../testing/tiny-model.ts'
import { assertClose } from '../../helpers/close.ts'
import { filesOf, runJob } from '../../helpers/run-job.ts'
import { MODEL, ROWS, sft } from '../../helpers/small-jobs.ts'
import { column, farthestMove, FIRST_STEP_IS_THE_RATE, secondsOf, slowingClock } from '../../helpers/watch-run.ts'

type Of = Partial<Parameters<typeof runJob>[1]>
const run = (config: object, of: Of = {}) => runJob(sft(config), { model: MODEL, rows: ROWS, ...of })

test('the learning rate warms up, decays, and is what the update takes', async () => {
  const config = { steps: 6, learning_rate: 4e-3, warmup_steps: 2, schedule: 'linear' }
  const done = await run({ ...config, ...FIRST_STEP_IS_THE_RATE })
  // Half of the peak, the peak, and from there towards 0 one step after the last.
  assertClose(column(done, 'learning_rate'), [2e-3, 4e-3, 4e-3, 3e-3, 2e-3, 1e-3], 1e-12)
  assert.ok(Math.abs(farthestMove(done, MODEL) / 2e-3 - 1) < 1e-3)
})

test('a run that goes on from a checkpoint ends like one that never stopped, with the loss of its last step', async () => {
  const config = { steps: 3, learning_rate: 1e-3 }
  const whole = await run({ ...config, checkpoint_every: 2 })
  const [middle, end] = whole.checkpoints
  const rest = await run(config, { resume: middle! })
  assert.deepEqual(rest.metrics, whole.metrics.slice(2))
  assert.deepEqual(filesOf(rest.checkpoints[0]!), filesOf(end!))
  assert.deepEqual(whole.result, { steps: 3, loss: column(whole, 'loss')[2] })
  const none = await run(config, { resume: end! })
  assert.deepEqual([none.metrics, none.checkpoints, none.result], [[], [], whole.result])
})

test('the loss is the mean over the tokens that are trained, however they lie in rows', async () => {
  // Nothing moves; six rows one by one, and all at once.
  const still = { learning_rate: 0 }
  const each = await run({ ...still, batch_size: 1, steps: 6 })
  const all = await run({ ...still, batch_size: 6, steps: 1 })
  const [losses, tokens] = [column(each, 'loss'), column(each, 'tokens')]
  const total = tokens.reduce((sum, n) => sum + n, 0)
  assert.deepEqual(column(all, 'tokens'), [total])
  // Of noise that knows nothing: every row's is near ln of the vocabulary.
  assert.ok(
    losses.every((loss) => Math.abs(loss / Math.log(1024) - 1) < 0.05),
    `${losses}`,
  )
  const mean = losses.reduce((sum, loss, i) => sum + loss * tokens[i]!, 0) / total
  assertClose(column(all, 'loss'), [mean], 1e-5)
})

test('a step is timed as a whole', async () => {
  const done = await run({}, { clock: slowingClock() })
  assert.deepEqual(secondsOf(done), [{ 'seconds/step': 1 }, { 'seconds/step': 3 }])
})

test('a loss that is no number stops the run before anything is kept, naming its rows', async () => {
  const weights = initialWeights(1)
  weights.get('model.norm.weight')!.data.fill(3e38)
  const kept: number[] = []
  const onCheckpoint = ({ step }: { step: number }) => kept.push(step)
  await assert.rejects(run({ batch_size: 6 }, { model: tinyModelFolder({ weights }), onCheckpoint }), {
    code: 'diverged',
    message:
      /^step 1: loss is (NaN|-?Infinity), from dataset, lines \d(, \d){5}\. .* without rows that do not belong\.$/,
  })
  assert.deepEqual(kept, [])
})

test('a gradient that is no number stops the run though the loss is one, naming the rows of the step', async () => {
  const weights = initialWeights(1)
  const scale = (name: string, by: number) => weights.get(`model.layers.0.self_attn.${name}.weight`)!.data.forEach((x, i, data) => (data[i] = x * by)) // prettier-ignore
  // The two cancel out in what the model says, not in what each would have to change by.
  scale('v_proj', 1e-25)
  scale('o_proj', 1e25)
  await assert.rejects(run({ batch_size: 6 }, { model: tinyModelFolder({ weights }) }), {
    code: 'diverged',
    message: /^step 1: gradientNorm is (NaN|Infinity), from dataset, lines \d(, \d){5}\./,
  })
})
