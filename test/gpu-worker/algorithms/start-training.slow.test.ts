import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { finiteOrStop, REMEDIES } from '../../../src/gpu-worker/algorithms/finite-or-stop.ts'
import { RunStopped, type Resume, type RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { openRun, startTraining } from '../../../src/gpu-worker/algorithms/start-training.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { accumulateGradients } from '../../../src/gpu-worker/training/accumulate-gradients.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const CONFIG = {
  seed: 3,
  steps: 4,
  learning_rate: 0.01,
  warmup_steps: 0,
  schedule: 'constant',
  weight_decay: 0,
  beta1: 0.9,
  beta2: 0.999,
  adam_epsilon: 1e-8,
  clip_norm: 1,
  checkpoint_every: 2,
} as const
const model = tinyModelFolder()

async function start(
  changes: Partial<Parameters<typeof startTraining>[2]> = {},
  resume: Resume | null = null,
  maxTokens = 16,
  memoryBudgetMb?: number,
) {
  const committed: Resume[] = []
  const events: string[] = []
  const details: unknown[] = []
  let stop = false
  const context = {
    threads: 1,
    resume,
    memoryBudgetMb,
    event: (level: string, message: string, data?: unknown) => {
      events.push(`${level}: ${message}`)
      details.push(data)
    },
    openModel: async () => openFolder(model),
    async checkpoint(step: number, state: Resume['state'], write: (folder: string) => void) {
      const folder = join(temporaryFolder(), 'checkpoint')
      mkdirSync(folder)
      write(folder)
      committed.push({ step, state, folder })
    },
    stopRequested: () => stop,
  } as unknown as RunContext
  const config = { ...CONFIG, ...changes }
  const opened = await openRun(context, { config })
  const run = await startTraining(opened, context, config, { loss: 'cross-entropy', maxTokens })
  const update = async () => {
    await accumulateGradients(run.trainer, [{ ids: [5, 6, 7], start: 1, weight: 1 }], { microBatchTokens: 64 })
    await run.trainer.step(0.01)
  }
  return { run, committed, events, details, update, stop: () => (stop = true) }
}

describe('startTraining', () => {
  test('goes on with the optimizer as it was, however many updates its steps made', async () => {
    const whole = await start()
    for (let i = 0; i < 4; i++) await whole.update()

    const first = await start()
    for (let i = 0; i < 3; i++) await first.update()
    // Three updates in two steps.
    await first.run.commitWhenDue(2, { cursor: 7 })
    const second = await start({}, first.committed[0]!)
    assert.deepEqual([second.run.firstStep, second.run.state!.cursor], [3, 7])
    await second.update()
    assert.equal(second.run.trainer.state.steps, 4)
    assert.deepEqual(second.run.weights, whole.run.weights)
  })

  describe('with LoRA', () => {
    const LORA = { lora: { rank: 2, alpha: 4, merge: 'last' as const } }
    const ADAPTER = ['adapter_config.json', 'adapter_model.safetensors', 'config.json', 'optimizer.safetensors']
    const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json']

    test('goes on from the adapter and its moments alone, to the same bytes', async () => {
      const whole = await start(LORA)
      for (let i = 0; i < 4; i++) await whole.update()

      const first = await start(LORA)
      for (let i = 0; i < 2; i++) await first.update()
      await first.run.commitWhenDue(2, {})
      const checkpoint = first.committed[0]!
      assert.deepEqual(readdirSync(checkpoint.folder).sort(), [...ADAPTER, ...TOKENIZER].sort())
      assert.throws(() => openFolder(checkpoint.folder), {
        code: 'unsupported_model',
        message: /holds a LoRA adapter without its model\. Merge it into its model first/,
      })
      const second = await start(LORA, checkpoint)
      for (let i = 0; i < 2; i++) await second.update()
      assert.deepEqual(second.run.weights, whole.run.weights)
      assert.deepEqual(second.run.trainer.state, whole.run.trainer.state)
    })

    test('ends with the merged model beside the adapter, and on request has it in every checkpoint', async () => {
      const { run, committed, update } = await start(LORA)
      await update()
      const before = openFolder(model).weights
      assert.deepEqual((await run.firstPolicy()).weights, before)
      await run.commitWhenDue(4, {})
      const { folder } = committed[0]!
      assert.deepEqual(readdirSync(folder).sort(), [...ADAPTER, ...TOKENIZER, 'model.safetensors'].sort())
      const { weights } = openFolder(folder)
      assert.deepEqual([...weights.keys()], [...before.keys()])
      const changed = [...weights].filter(([name, { data }]) => data.some((x, i) => x !== before.get(name)!.data[i]))
      assert.equal(changed.length, run.model.adapter!.targets.size)

      // What ends a run early, outside of its loop, ends it with the model, too.
      await run.commit(3, {})
      assert.ok(openFolder(committed[1]!.folder))

      const every = await start({ lora: { ...LORA.lora, merge: 'every' } })
      await every.run.commitWhenDue(2, {})
      assert.ok(openFolder(every.committed[0]!.folder))
    })

    test('does not go on with adapters on another model', async () => {
      const { run, committed } = await start(LORA)
      await run.commitWhenDue(2, {})
      const { folder, step, state } = committed[0]!
      await assert.rejects(start(LORA, { folder, step, state: { ...state, base: 'that of another' } }), {
        code: 'corrupt_model',
        message: /is not the model that this run began with/,
      })
    })
  })

  test('commits every so often, at the end, and when asked to stop', async () => {
    const { run, committed } = await start()
    for (const step of [1, 2, 3, 4]) await run.commitWhenDue(step, {})
    assert.deepEqual(
      committed.map(({ step }) => step),
      [2, 4],
    )
    const stopped = await start()
    stopped.stop()
    await assert.rejects(stopped.run.commitWhenDue(1, {}), RunStopped)
    assert.equal(stopped.committed[0]!.step, 1)
  })

  test('does not commit weights that have overflowed', async () => {
    const { run, committed } = await start()
    run.weights.get('model.norm.weight')!.data[3] = Infinity
    await assert.rejects(run.commitWhenDue(2, {}), {
      code: 'diverged',
      message: /^step 2: the sum of model\.norm\.weight is Infinity\./,
    })
    assert.deepEqual(committed, [])
  })

  describe('with a memory budget', () => {
    test('says what was chosen, keeps to it when it goes on, and chooses anew with less', async () => {
      const first = await start({ memory_budget_mb: 240 })
      const { plan } = first.run
      assert.match(first.events[1]!, /^info: memory: recompute \w+, \d+ tokens a pass: about 2[34]\d of 240 MB$/)
      const { bytes, ...said } = first.details[1] as { bytes: number }
      assert.deepEqual(said, { ...plan, budget_mb: 240 })
      assert.ok(bytes > 230e6 && bytes <= 240e6, `${bytes}`)
      await first.run.commitWhenDue(2, {})
      const checkpoint = first.committed[0]!

      const more = await start({}, checkpoint, 16, 1000)
      assert.deepEqual(more.run.plan, plan)
      assert.notDeepEqual((await start({}, null, 16, 1000)).run.plan, plan)
      assert.deepEqual((await start({}, checkpoint)).run.plan, plan)

      const less = await start({ memory_budget_mb: 228 }, checkpoint)
      assert.ok(less.run.plan.microBatchTokens < plan.microBatchTokens)
      assert.match(less.events[0]!, /^warning: memory: there is less than where the run began/)
    })

    test("refuses what cannot fit; the job's budget goes before the worker's", async () => {
      await assert.rejects(start({ memory_budget_mb: 100 }, null, 16, 1000), {
        code: 'unavailable_here',
        message: /^the memory budget is 100 MB .* takes about 21\d MB at the least/,
      })
      await assert.rejects(start({}, null, 16, 100), { code: 'unavailable_here' })
    })

    test('without one, the defaults', async () => {
      const { run, events } = await start()
      assert.deepEqual(run.plan, { recompute: 'nothing', microBatchTokens: 4096, slots: 0 })
      assert.equal(events.length, 1)
      assert.match(events[0]!, /^info: a row with `prompt` is a text that .* \(prompt_format "raw"\)$/)
    })
  })
})

test('finiteOrStop names the step, the number and the remedy', () => {
  finiteOrStop(3, { loss: 0, gradient_norm: 1e30 }, REMEDIES.supervised)
  assert.throws(() => finiteOrStop(3, { loss: 1, gradient_norm: NaN }, REMEDIES.update), {
    code: 'diverged',
    message:
      /^step 3: gradient_norm is NaN\. .* start a job from the last checkpoint, or from the model, with a lower learning_rate or less weight_decay\.$/,
  })
})
