/** A run whose checkpoints are in shards goes on, and ends, as one whose are not. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Resume } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { readShards } from '../../../src/gpu-worker/weights/weight-files.ts'
import { byLength, job, MODEL, ROWS, sft } from '../../helpers/small-jobs.ts'
import { filesOf, runJob } from '../../helpers/run-job.ts'

const SHARD_BYTES = 600_000
const STEMS = ['model', 'optimizer', 'reference', 'value_head', 'adapter_model']

/** All tensors of a checkpoint, whatever files they lie in. */
function tensorsOf({ folder }: Resume): Record<string, unknown> {
  const stems = STEMS.filter((stem) => readdirSync(folder).some((name) => name.startsWith(`${stem}.`) || name.startsWith(`${stem}-`))) // prettier-ignore
  return Object.fromEntries(
    stems.map((stem) => [stem, new Map([...readShards(join(folder, `${stem}.safetensors`))].sort(([a], [b]) => (a < b ? -1 : 1)))]), // prettier-ignore
  )
}

const runs = {
  sft: sft({ steps: 4, checkpoint_every: 2 }),
  ppo: job('ppo', {
    steps: 4,
    group_size: undefined,
    checkpoint_every: 2,
    kl_coefficient: 0.1,
    reference_reset_every: 1,
  }),
  lora: sft({ steps: 4, checkpoint_every: 2, lora: { rank: 4, merge: 'every' } }),
}

for (const [name, { ...spec }] of Object.entries(runs)) {
  test(name, async () => {
    const of = { model: MODEL, rows: ROWS, judge: byLength }
    const whole = await runJob(spec, of)
    const sharded = await runJob(spec, { ...of, shardBytes: SHARD_BYTES })
    const [half, end] = sharded.checkpoints
    const names = readdirSync(end!.folder)
    assert.ok(names.includes('model.safetensors.index.json'), `${names}`)
    assert.ok(!names.includes('model.safetensors'))
    assert.equal(names.includes('optimizer.safetensors.index.json'), name !== 'lora')
    const resumed = await runJob(spec, { ...of, shardBytes: SHARD_BYTES, resume: half! })
    assert.deepEqual(filesOf(resumed.checkpoints.at(-1)!), filesOf(end!))
    assert.deepEqual(tensorsOf(end!), tensorsOf(whole.checkpoints.at(-1)!))
    // From shards to whole files and back.
    const unsharded = await runJob(spec, { ...of, resume: half! })
    assert.deepEqual(filesOf(unsharded.checkpoints.at(-1)!), filesOf(whole.checkpoints.at(-1)!))
  })
}
