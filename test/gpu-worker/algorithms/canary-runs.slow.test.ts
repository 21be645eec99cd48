/** When a run looks at its canary, and what becomes of a run whose judge is being fooled. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Resume } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { runJob, type JobRun } from '../../helpers/run-job.ts'
import { job, MODEL, ROWS } from '../../helpers/small-jobs.ts'
import { column } from '../../helpers/watch-run.ts'

type Of = Partial<Parameters<typeof runJob>[1]>
const rows = { ...ROWS, canary: ROWS.labelled }
const run = (spec: object, of: Of = {}) => runJob(spec, { model: MODEL, rows, judge: () => 0.5, ...of })
const spec = (config: object) => {
  const plain = job('grpo', { prompts_per_step: 2, group_size: 2, canary_every: 1, ...config })
  return { ...plain, data: { ...plain.data, canary: 'canary' } }
}
const looks = ({ result }: JobRun) => (result!.canary as { step: number }[]).map(({ step }) => step)

/** A run of one step, in whose past the canary's answers were all right. */
const { checkpoints } = await run(spec({ steps: 4 }), { stopAfter: 1 })
const fooled: Resume = {
  ...checkpoints[0]!,
  state: { ...checkpoints[0]!.state, canary: [{ step: 0, judge: 0.1, gold: 1, n: 40 }] },
}

describe('the canary', () => {
  test('is looked at before the first step and then every so often, and its history goes with the checkpoints', async () => {
    assert.deepEqual(looks(await run(spec({ steps: 4, canary_every: 2 }))), [0, 2, 4])
    assert.deepEqual(looks(await run(spec({ steps: 2, canary_every: 0 }))), [])
    assert.deepEqual(looks(await run(job('grpo', { steps: 1, group_size: 2, canary_every: 1 }))), [])
    assert.deepEqual(looks(await run(spec({ steps: 3 }), { resume: checkpoints[0]! })), [0, 1, 2, 3])
  })

  test('stops a run whose judge is being fooled, which is then over', async () => {
    const stopping = spec({ steps: 4, on_hacking: 'stop' })
    const stopped = await run(stopping, { resume: fooled })
    assert.deepEqual([stopped.result!.steps, stopped.result!.stopped_by_canary], [2, true])
    assert.deepEqual(looks(stopped), [0, 2])
    assert.deepEqual(column(stopped, 'reward'), [0.5], 'one step more')
    assert.match(stopped.events[0]!, /^step 2: the judge is being fooled: since step 0 gold went 1\.000 → 0\.000/)
    assert.match(stopped.events[1]!, /^stopped at step 2: the judge is being fooled and on_hacking is "stop"$/)
    assert.equal(stopped.events.length, 2)
    const [last, ...more] = stopped.checkpoints
    assert.deepEqual([last!.step, last!.state.stopped_at, more], [2, 2, []])
    const again = await run(stopping, { resume: last! })
    assert.deepEqual([again.metrics, again.checkpoints, again.result], [[], [], stopped.result])
  })

  test('stops PPO likewise', async () => {
    const ppo = (config: object) => ({ ...spec({}), ...job('ppo', config), data: spec({}).data })
    const config = { prompts_per_step: 2, group_size: 2, canary_every: 1, on_hacking: 'stop', steps: 4 }
    const first = (await run(ppo(config), { stopAfter: 1 })).checkpoints[0]!
    const stopped = await run(ppo(config), {
      resume: { ...first, state: { ...first.state, canary: fooled.state.canary } },
    })
    assert.deepEqual([stopped.result!.steps, stopped.result!.stopped_by_canary], [2, true])
  })

  test('only warns where no more was asked, and the run goes on', async () => {
    const warned = await run(spec({ steps: 3 }), { resume: fooled })
    assert.deepEqual([warned.result!.steps, warned.result!.stopped_by_canary], [3, false])
    assert.deepEqual(
      warned.events.map((event) => event.replace(/:.*/, '')),
      ['step 2', 'step 3'],
    )
    assert.equal(warned.checkpoints.at(-1)!.state.stopped_at, undefined)
  })

  test('is compared by the verifier of the recipe', async () => {
    const { reward, ...rest } = spec({ steps: 1 })
    const canary = [{ prompt: 'What is 1 + 1?', answer: 'no number at all?' }]
    const by = (verifier: object) => run({ ...rest, reward: { ...reward, ...verifier } }, { rows: { ...ROWS, canary } })
    await assert.rejects(by({}), { code: 'bad_dataset_line', param: 'canary' })
    assert.deepEqual(looks(await by({ verifier: 'exact' })), [0, 1])
  })
})
