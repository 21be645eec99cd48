import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openTraining, trainingFiles } from '../../../src/gpu-worker/checkpoint/training-files.ts'
import { openFolder, type ModelFolder } from '../../../src/gpu-worker/models/source.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { readSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const MODEL = tinyModelFolder()
const LORA = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'] }
const open = (options: { lora?: typeof LORA; valueHead?: boolean } = {}, folder: ModelFolder = openFolder(MODEL)) =>
  openTraining(async () => folder, { seed: 1, valueHead: false, ...options }, null)

async function written(
  training: Awaited<ReturnType<typeof open>>,
  { merged = true, files = {} }: { merged?: boolean; files?: Record<string, Weights> } = {},
): Promise<string> {
  const folder = join(temporaryFolder(), 'checkpoint')
  mkdirSync(folder)
  const moments = { steps: 0, firstMoment: new Map(), secondMoment: new Map() }
  ;(await trainingFiles(training, moments, { merged, files }))(folder)
  return folder
}
const names = (folder: string, file: string) => [...readSafetensors(join(folder, file)).keys()].sort()

describe('the base of a LoRA run', () => {
  const baseOf = async (change: (weights: Weights) => Weights) => {
    const folder = openFolder(MODEL)
    const { base } = await open({ lora: LORA }, { ...folder, weights: change(folder.weights) })
    return base!
  }
  const K = ['model.layers.0.input_layernorm.weight', 'model.layers.0.post_attention_layernorm.weight'] as const

  test('is the same for the same weights, wherever in memory they lie', async () => {
    const same = await baseOf((weights) => weights)
    assert.match(same, /^[0-9a-f]{64}$/)
    const moved = await baseOf(
      (weights) =>
        new Map(
          [...weights].map(([name, { shape, data }]) => {
            const inside = new Float32Array(data.length + 5)
            inside.set(data, 3)
            return [name, { shape, data: inside.subarray(3, 3 + data.length) }]
          }),
        ),
    )
    assert.equal(moved, same)
  })

  test('is another where one number or one name is', async () => {
    const same = await baseOf((weights) => weights)
    const number = await baseOf((weights) => {
      weights.get(K[0])!.data[1]! += 0.5
      return weights
    })
    const name = await baseOf((weights) => {
      const swapped: Record<string, string> = { [K[0]]: K[1], [K[1]]: K[0] }
      return new Map([...weights].map(([own, tensor]) => [swapped[own] ?? own, tensor]))
    })
    assert.equal(new Set([same, number, name]).size, 3)
  })

  test('is not taken without LoRA', async () => assert.equal((await open()).base, null))
})

describe('the files of a checkpoint', () => {
  test('hold the value head apart from the model, and only where there is one', async () => {
    const plain = await written(await open())
    const valued = await written(await open({ valueHead: true }))
    const model = [...openFolder(MODEL).weights.keys()].sort()
    assert.deepEqual(names(plain, 'model.safetensors'), model)
    assert.deepEqual(names(valued, 'model.safetensors'), model)
    assert.deepEqual(names(valued, 'value_head.safetensors'), ['value_head.bias', 'value_head.weight'])
    const more = readdirSync(valued).filter((name) => !readdirSync(plain).includes(name))
    assert.deepEqual(more, ['value_head.safetensors'])
  })

  test('hold what else the run keeps, under the name that it gives', async () => {
    const tensors: Weights = new Map([['t', { shape: [2], data: Float32Array.of(1, -2) }]])
    const folder = await written(await open(), { files: { 'own.safetensors': tensors } })
    assert.deepEqual([...readSafetensors(join(folder, 'own.safetensors')).get('t')!.data], [1, -2])
  })

  test("hold an adapter as PEFT reads it, without the value head's parameters", async () => {
    const hub = { ...openFolder(MODEL), hubId: 'someone/model' }
    for (const [source, base] of [[hub, 'someone/model'], [openFolder(MODEL), null]] as const) {
      const training = await open({ lora: LORA, valueHead: true }, source)
      const folder = await written(training, { merged: false })
      assert.deepEqual(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')), {
        ...{ peft_type: 'LORA', task_type: 'CAUSAL_LM', base_model_name_or_path: base, inference_mode: true },
        ...{ r: 2, lora_alpha: 4, lora_dropout: 0, fan_in_fan_out: false, bias: 'none' },
        target_modules: ['q_proj', 'down_proj'],
      })
      const own = names(folder, 'adapter_model.safetensors')
      assert.equal(own.length, 2 * training.model.adapter!.targets.size)
      assert.ok(own.every((name) => /^base_model\.model\.model\.layers\.\d\.\w+\.(q|down)_proj\.lora_[AB]\.weight$/.test(name)), `${own}`) // prettier-ignore
      assert.ok(!readdirSync(folder).includes('model.safetensors'))
    } // prettier-ignore
  })
})
