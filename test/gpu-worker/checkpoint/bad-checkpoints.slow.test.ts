/** A run does not go on from files that do not hold together, and says which they are. */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { GavelError } from '../../../src/core/errors.ts'
import { readSafetensors, writeSafetensors, type StoredTensor } from '../../../src/gpu-worker/weights/safetensors.ts'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { copyOf, runJob } from '../../helpers/run-job.ts'

/** Everything that a checkpoint may hold: an adapter, a value head, moments and a reference. */
const SPEC = {
  type: 'ppo',
  model: 'model',
  data: { unlabelled: 'unlabelled' },
  reward: { lambda: 0, mu: 1, judge: 'judge', gate: false },
  config: {
    ...{ seed: 1, steps: 2, prompts_per_step: 2, max_prompt_tokens: 16, max_new_tokens: 4, checkpoint_every: 1 },
    ...{ lora: { rank: 2 }, reference_reset_every: 1, kl_coefficient: 0.1 },
  },
}
const of = {
  model: tinyModelFolder(),
  rows: { unlabelled: [{ prompt: 'one' }, { prompt: 'two' }] },
  judge: () => 0.5,
}
const checkpoint = (await runJob(SPEC, { ...of, stopAfter: 1 })).checkpoints[0]!

const FILES = {
  'adapter_model.safetensors': 'base_model.model.model.layers.1.mlp.up_proj.lora_B.weight',
  'value_head.safetensors': 'value_head.weight',
  'optimizer.safetensors': 'exp_avg_sq:model.layers.1.mlp.up_proj.lora_B.weight',
  'reference.safetensors': 'model.layers.1.mlp.up_proj.lora_B.weight',
}
const DAMAGES: Record<string, [RegExp, (tensors: Map<string, StoredTensor>, name: string) => void]> = {
  'a missing tensor': [/is missing/, (tensors, name) => tensors.delete(name)],
  'another shape': [
    /has shape \[1\], but/,
    (tensors, name) => tensors.set(name, { shape: [1], data: new Float32Array(1) }),
  ],
  'a number that is none': [/holds NaN at element 0/, (tensors, name) => (tensors.get(name)!.data[0] = NaN)],
}

async function refusal(spoil: (path: string) => void, file: string): Promise<string> {
  const bad = copyOf(checkpoint)
  spoil(join(bad.folder, file))
  const error = await runJob(SPEC, { ...of, resume: bad }).then(
    () => assert.fail('it went on'),
    (error: unknown) => error as GavelError,
  )
  assert.equal(error.code, 'corrupt_model', error.stack)
  assert.ok(error.message.includes(file), error.message)
  return error.message
}

for (const [file, tensor] of Object.entries(FILES)) {
  test(`refuses ${file} with a tensor that is missing, misshapen or no number, cut short, or not there`, async () => {
    for (const [damage, [message, spoil]] of Object.entries(DAMAGES)) {
      const said = await refusal((path) => {
        const tensors = readSafetensors(path)
        assert.ok(tensors.has(tensor), [...tensors.keys()].join(' '))
        spoil(tensors, tensor)
        writeSafetensors(path, tensors)
      }, file)
      assert.match(said, message, damage)
      assert.ok(said.includes(tensor.replace(/^base_model\.model\.|^exp_avg_sq:/, '')), said)
    }
    assert.match(await refusal((path) => truncateSync(path, 300), file), /cut short/)
    assert.match(await refusal((path) => rmSync(path), file), /cannot be read: ENOENT/)
    const folder = (path: string) => {
      rmSync(path)
      mkdirSync(path)
    }
    assert.match(await refusal(folder, file), /is not a file/)
  })
}

test('more tensors than are needed do no harm', async () => {
  const more = copyOf(checkpoint)
  for (const file of Object.keys(FILES)) {
    const tensors = readSafetensors(join(more.folder, file))
    writeSafetensors(join(more.folder, file), tensors.set('extra', { shape: [1], data: Float32Array.of(NaN) }))
  }
  assert.equal((await runJob(SPEC, { ...of, resume: more })).result!.steps, 2)
})
