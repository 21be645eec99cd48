import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jobSpec } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { initialWeights } from '../../../testing/tiny-model.ts'
import { assertClose } from '../../helpers/close.ts'
import { filesOf, runJob } from '../../helpers/run-job.ts'
import { MODEL, ROWS, sft } from '../../helpers/small-jobs.ts'
import { column } from '../../helpers/watch-run.ts'

type Of = Partial<Parameters<typeof runJob>[1]>
const HELD: DatasetRow[] = [7, 8, 9].map((n) => ({ prompt: `What is ${n} + 1?`, completion: `#### ${n + 1}` }))
const run = ({ validation, ...config }: Record<string, unknown>, of: Of = {}) =>
  runJob(
    { ...sft(config), ...(validation !== undefined && { validation }) },
    { model: MODEL, rows: { ...ROWS, validation: HELD }, ...of },
  )
const looks = ({ metrics }: Awaited<ReturnType<typeof run>>) =>
  metrics.flatMap(({ step, values }) => (values.validation_loss === undefined ? [] : [[step, values.validation_loss]]))

describe('epochs', () => {
  const stepsOf = async (config: object) => (await run({ steps: undefined, learning_rate: 0, ...config })).result!.steps

  test('are passes over the rows, the last batch rounded up; a fraction will do', async () => {
    assert.equal(await stepsOf({ epochs: 1, batch_size: 4 }), 2, '6 rows in batches of 4')
    assert.equal(await stepsOf({ epochs: 2, batch_size: 4 }), 3, 'a batch goes on into the next pass')
    assert.equal(await stepsOf({ epochs: 0.5, batch_size: 1 }), 3)
    assert.equal(await stepsOf({ epochs: 0.0001, batch_size: 64 }), 1)
    // 0.07 · 100 is a little more than 7 in floats, which is no step of its own.
    const dataset = Array.from({ length: 100 }, (_, i) => ({ prompt: `${i}?`, completion: 'x' }))
    const few = await run({ steps: undefined, epochs: 0.07, batch_size: 1, learning_rate: 0 }, { rows: { dataset } })
    assert.equal(few.result!.steps, 7)
  })

  test('are trained like so many steps, schedule and all, and an event says how many', async () => {
    const config = { learning_rate: 1e-3, schedule: 'linear', batch_size: 4 }
    const byEpochs = await run({ ...config, steps: undefined, epochs: 2 })
    const bySteps = await run({ ...config, steps: 3 })
    assert.deepEqual(byEpochs.metrics, bySteps.metrics)
    assert.deepEqual(filesOf(byEpochs.checkpoints[0]!), filesOf(bySteps.checkpoints[0]!))
    assert.ok(byEpochs.events.includes('2 epochs of 6 rows are 3 steps of 4'))
  })

  test('count the rows that are trained on: not those held out, nor those left out', async () => {
    assert.equal(await stepsOf({ epochs: 2, batch_size: 1, validation: 0.5 }), 6)
    const rows = { dataset: [...ROWS.dataset, { prompt: 'x', completion: 'word '.repeat(60) }] }
    const done = await run({ steps: undefined, epochs: 2, batch_size: 1, on_long_rows: 'skip' }, { rows })
    assert.equal(done.result!.steps, 12)
  })
})

describe('validation', () => {
  test('is the mean over the tokens of its rows, before the first step, every so often, and at the end', async () => {
    const still = { learning_rate: 0, batch_size: 6, steps: 5, validation_every: 2 }
    const done = await run({ ...still, validation: 'validation' }, { rows: { ...ROWS, validation: ROWS.dataset } })
    const [loss] = column(done, 'loss')
    assert.deepEqual(looks(done).map(([step]) => step), [0, 2, 4, 5]) // prettier-ignore
    // What is trained on and what is validated on are the same, so that the trainer's loss says what is right.
    assertClose(looks(done).map(([, value]) => value!), [loss!, loss!, loss!, loss!], 1e-5) // prettier-ignore
  })

  test('leaves what is trained alone', async () => {
    const config = { steps: 3, learning_rate: 1e-3 }
    const [plain, watched] = [await run(config), await run({ ...config, validation: 'validation' })]
    assert.deepEqual(column(watched, 'loss'), column(plain, 'loss'))
    const [a, b] = [filesOf(watched.checkpoints[0]!), filesOf(plain.checkpoints[0]!)]
    assert.deepEqual(a, b)
    assert.deepEqual(Object.keys(plain.checkpoints[0]!.state), ['cursor', 'loss', 'updates', 'plan'])
  })

  test('of a share holds out the same rows each time, and trains on all others', async () => {
    const share = { validation: 0.34, learning_rate: 0, steps: 4, batch_size: 1 }
    const done = await run(share)
    assert.equal((done.result!.validation as { rows: number }).rows, 2)
    assert.ok(done.events.includes('validation: 2 of 6 rows are held out of training'))
    assert.equal(new Set(column(done, 'loss')).size, 4, 'four other rows')
    assert.deepEqual((await run(share)).metrics, done.metrics)
    assert.notDeepEqual(looks(await run({ ...share, seed: 4 })), looks(done))
  })

  test('of one row there is nothing to hold out', async () => {
    const rows = { dataset: ROWS.dataset.slice(0, 1) }
    await assert.rejects(run({ validation: 0.5 }, { rows }), { code: 'unprocessable', param: 'validation' })
  })

  test('that is no number ends the run', async () => {
    const weights = initialWeights(1)
    weights.get('model.norm.weight')!.data.fill(3e38)
    await assert.rejects(run({ validation: 'validation' }, { model: tinyModelFolder({ weights }) }), {
      code: 'diverged',
      message: /^step 0: validation_loss is (NaN|-?Infinity), from validation, lines 1, 2, 3\./,
    })
  })
})

describe('early stop', () => {
  const patient = { validation: 'validation', validation_every: 1, early_stop: { patience: 2 } }

  test('stops after so many looks in a row that found it no better, and says where it was best', async () => {
    const done = await run({ ...patient, learning_rate: 0, steps: 9 })
    assert.deepEqual(done.checkpoints.map(({ step }) => step), [1, 3]) // prettier-ignore
    const { stopped_early, best, before, last, rows } = done.result!.validation as Record<string, unknown>
    assert.deepEqual([done.result!.steps, stopped_early, rows], [3, true, 3])
    assert.deepEqual([best, last], [{ step: 1, loss: before }, before])
    const last3 = await run({ ...patient, learning_rate: 0, steps: 3 })
    assert.equal((last3.result!.validation as { stopped_early: boolean }).stopped_early, false, 'it was the last step')
    assert.ok(!last3.events.some((message) => message.startsWith('stopped')))
    assert.match(done.events.at(-1)!, /^stopped after step 3: 2 looks at validation_loss in a row .* after step 1$/)
  })

  test('goes on while it gets better, keeping each best; by min_delta little does not count', async () => {
    const better = await run({ ...patient, learning_rate: 1e-3, steps: 4 })
    const losses = looks(better).map(([, loss]) => loss!)
    assert.ok(
      losses.every((loss, i) => i === 0 || loss < losses[i - 1]!),
      String(losses),
    )
    assert.deepEqual(better.checkpoints.map(({ step }) => step), [1, 2, 3, 4]) // prettier-ignore
    const demanding = { ...patient, early_stop: { patience: 2, min_delta: 5 } }
    const done = await run({ ...demanding, learning_rate: 1e-3, steps: 9 })
    assert.deepEqual([done.result!.steps, (done.result!.validation as { best: { step: number } }).best.step], [3, 3])
  })

  test('a run that goes on from anywhere ends with the same bytes and says the same', async () => {
    const config = { ...patient, learning_rate: 0, steps: 9, checkpoint_every: 1 }
    const whole = await run(config)
    for (const [i, checkpoint] of whole.checkpoints.entries()) {
      const rest = await run(config, { resume: checkpoint })
      assert.deepEqual(rest.result, whole.result)
      assert.deepEqual(rest.checkpoints.map(filesOf), whole.checkpoints.slice(i + 1).map(filesOf))
      assert.deepEqual(rest.checkpoints.map(({ state }) => state), whole.checkpoints.slice(i + 1).map(({ state }) => state)) // prettier-ignore
    }
    const stopped = await run({ ...config, learning_rate: 1e-3 }, { stopAfter: 2 })
    assert.equal(stopped.result, null)
    const on = await run({ ...config, learning_rate: 1e-3 }, { resume: stopped.checkpoints.at(-1)! })
    const straight = await run({ ...config, learning_rate: 1e-3 })
    assert.deepEqual(on.result, straight.result)
    assert.deepEqual(filesOf(on.checkpoints.at(-1)!), filesOf(straight.checkpoints.at(-1)!))
  })

  test('of adapters, each best holds the merged model and can be used', async () => {
    const done = await run({ ...patient, learning_rate: 1e-2, steps: 2, lora: { rank: 2 } })
    for (const checkpoint of done.checkpoints) assert.ok(filesOf(checkpoint)['model.safetensors'])
  })
})

test('the default limit goes by the context of the model; more than that is refused with what fits', async () => {
  const done = await run({ max_tokens: undefined })
  assert.ok(done.events.includes("max_tokens is 512, to fit the model's context of 512 tokens"))
  await assert.rejects(run({ max_tokens: 513 }), { code: 'prompt_too_long', message: /give 512 at most/ })
})

test('how long to train has to be said once, and what is wrong is named', () => {
  const given =
    (config: unknown, more: object = {}) =>
    () =>
      parse(jobSpec, { type: 'sft', model: 'm', dataset: 'd', ...more, ...(config !== undefined && { config }) })
  const refused = (spec: () => unknown, param: string, message: RegExp) => assert.throws(spec, { param, message })
  refused(given(undefined), 'config', /`config` is missing: say how long to train; give `steps`, or `epochs`/)
  refused(given({}), 'config.steps', /`config\.steps` is missing: .* or `epochs`/)
  refused(given({ steps: 3, epochs: 1 }), 'config.epochs', /takes the place of `steps`; leave one of them out/)
  for (const epochs of [0, -1, 1e9, '2', null, NaN]) refused(given({ epochs }), 'config.epochs', /must be/)
  for (const validation of [0, 1, -0.1, true, [], '', 'a b']) refused(given({ steps: 1 }, { validation }), 'validation', /must be/) // prettier-ignore
  for (const patience of [0, 1.5, '3']) refused(given({ steps: 1, early_stop: { patience } }), 'config.early_stop.patience', /must be/) // prettier-ignore
  refused(given({ steps: 1, early_stop: {} }), 'config.early_stop.patience', /is missing/)
  refused(given({ steps: 1, early_stop: { patience: 1, min_delta: -1 } }), 'config.early_stop.min_delta', /must be/)
  refused(given({ steps: 1, on_long_rows: 'drop' }), 'config.on_long_rows', /must be "error" or "truncate" or "skip"/)
  refused(given({ steps: 1, validation_every: 0 }), 'config.validation_every', /must be/)
  assert.throws(() => parse(jobSpec, { type: 'grpo', model: 'm', data: { labelled: 'd' }, reward: 'r' }), {
    param: 'config',
    message: /`config` is missing; give it, with the number of `steps` at least/,
  })
})
