/** When a run looks at its canary, and what becomes of a run whose judge is being fooled. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Resume } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { readShards } from '../../../src/gpu-worker/weights/weight-files.ts'
import { filesOf, runJob, type JobRun } from '../../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS } from '../../helpers/small-jobs.ts'
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
    assert.match(
      stopped.events[0]!,
      /^step 2: the judge is being fooled: .*; since step 0 gold went 1\.000 → 0\.000.*\. Harden the judge/,
    )
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

describe('a rollback', () => {
  const back = (config: object = {}, more: object = {}) => ({
    ...spec({ steps: 4, on_hacking: 'rollback', ...config }),
    ...more,
  })
  const fallback_reward = { lambda: 0, mu: 1, judge: 'another', gate: false }
  /** The run after its first step, in whose past the canary's answers were all right. */
  const afterOne = async (more: object = {}): Promise<Resume> => {
    const { checkpoints } = await run(back({}, more), { judge: byLength, stopAfter: 1 })
    const [first] = checkpoints
    return { ...first!, state: { ...first!.state, canary: fooled.state.canary } }
  }
  /** Whether all that a run's model holds is what another file holds of it. */
  const isSame = ({ folder }: Resume, file: string): boolean => {
    const best = readShards(file)
    return [...readShards(join(folder, 'model.safetensors'))].every(([name, { data }]) =>
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(
        new Uint8Array(Float32Array.from(best.get(name)!.data).buffer),
      ),
    )
  }
  const isBest = (checkpoint: Resume) => isSame(checkpoint, join(checkpoint.folder, 'best.safetensors'))

  test('brings back the policy of the best look, and ends there', async () => {
    const resume = await afterOne()
    assert.equal(isBest(resume), false, 'it has been trained since')
    const ended = await run(back(), { judge: byLength, resume })
    const last = ended.checkpoints.at(-1)!
    assert.equal(isBest(last) && isSame(last, join(MODEL, 'model.safetensors')), true)
    assert.deepEqual([last.step, last.state.stopped_at, last.state.updates], [2, 2, 0])
    const { steps, stopped_by_canary, rollbacks } = ended.result!
    assert.deepEqual([steps, stopped_by_canary, rollbacks], [2, true, [{ step: 2, to: 0 }]])
    assert.match(ended.events.at(-1)!, /^step 2: back to the policy of step 0, .*; the run ends with it$/)
    const again = await run(back(), { judge: byLength, resume: last })
    assert.deepEqual([again.metrics, again.result], [[], ended.result])
  })

  test('goes on by the fallback recipe, once, and ends with the same bytes wherever it was killed', async () => {
    const more = { fallback_reward }
    const of = { judge: byLength, fallback: () => 0.25 }
    const whole = await run(back({}, more), { ...of, resume: await afterOne(more) })
    assert.deepEqual(column(whole, 'reward').slice(-2), [0.25, 0.25])
    assert.notEqual(column(whole, 'reward')[0], 0.25)
    assert.match(
      whole.events.at(-1)!,
      /^step 2: back to the policy of step 0, .*; the run goes on by `fallback_reward`$/,
    )
    assert.deepEqual([whole.result!.steps, whole.result!.stopped_by_canary], [4, false])
    const [rolledBack] = whole.checkpoints
    assert.deepEqual([rolledBack!.step, rolledBack!.state.fell_back], [2, true])
    assert.equal(isBest(rolledBack!), true)
    for (const killed of whole.checkpoints.slice(0, -1)) {
      const rest = await run(back({}, more), { ...of, resume: killed })
      assert.deepEqual(filesOf(rest.checkpoints.at(-1)!), filesOf(whole.checkpoints.at(-1)!))
      assert.deepEqual(rest.result, whole.result)
    }
    // Fooled again, it ends with the best policy since.
    const twice: Resume = { ...rolledBack!, state: { ...rolledBack!.state, canary: fooled.state.canary } }
    const ended = await run(back({}, more), { ...of, resume: twice })
    assert.deepEqual([ended.result!.steps, ended.result!.stopped_by_canary], [3, true])
    assert.deepEqual(ended.result!.rollbacks, [{ step: 2, to: 0 }, { step: 3, to: 2 }]) // prettier-ignore
  })

  test('goes back to a later look where gold stood higher, also with adapters alone', async () => {
    const config = { lora: { rank: 2, alpha: 4, targets: ['q_proj'] } }
    const first = await run(back(config), { judge: byLength, stopAfter: 2 })
    const second = first.checkpoints.at(-1)!
    const seen = { ...second.state, canary: [{ step: 0, judge: 0.1, gold: 1, n: 40 }], best_step: 1 }
    const ended = await run(back(config), { judge: byLength, resume: { ...second, state: seen } })
    assert.deepEqual(ended.result!.rollbacks, [{ step: 3, to: 1 }])
  })
})
