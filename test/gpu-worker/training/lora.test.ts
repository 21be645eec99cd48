import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RECOMPUTE, type Recompute } from '../../../src/core/schemas/training.ts'
import { readAdapter, writeAdapter } from '../../../src/gpu-worker/checkpoint/adapter-file.ts'
import { modelFromConfig } from '../../../src/gpu-worker/models/index.ts'
import type { Model } from '../../../src/gpu-worker/models/model.ts'
import { type Weights } from '../../../src/gpu-worker/models/weights.ts'
import { Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { initialAdapter, mergedWeights, withLora, type LoraSettings } from '../../../src/gpu-worker/training/lora.ts'
import { textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { readSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'
import { watchSessions } from '../../helpers/watch-sessions.ts'

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }
const ROWS = [
  { ids: [5, 9, 33, 101, 4, 55, 23, 88], start: 1 },
  { ids: [7, 12, 40, 2], start: 2 },
]
const BATCH = makeBatch(ROWS)
const MEAN = { weights: new Float32Array(BATCH.tokens).fill(1 / BATCH.tokens) }

const peftFolder = (name: string) => fileURLToPath(new URL(`../../fixtures/peft/${name}`, import.meta.url))
const readJson = (folder: string, file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as never

/** A fixture with the adapter that PEFT made for it. */
function adapted(name: 'llama' | 'gpt2' | 'opt-postln-proj', targets?: LoraSettings['targets']) {
  const base = fixtureModel(name)
  const model = withLora(base.model, { rank: 3, alpha: 5, targets })
  return { base, model, weights: new Map([...base.weights, ...readAdapter(peftFolder(name), model)]) }
}
const ADAPTED = {
  llama: () => adapted('llama', ['q_proj', 'v_proj', 'down_proj']),
  // Its weights are kept [in,out].
  gpt2: () => adapted('gpt2', ['c_attn', 'c_fc']),
  // Every projection, those outside the layers included.
  'opt-postln-proj': () => adapted('opt-postln-proj'),
}
const NAMES = Object.keys(ADAPTED) as (keyof typeof ADAPTED)[]

async function logitsOf(model: Model, weights: Weights, ids: number[]): Promise<Float32Array> {
  const session = await Session.create(logitsGraph(model, { maxTokens: 32 }), { threads: 1 })
  const logits = new Float32Array(ids.length * model.vocabularySize)
  const shape = [ids.length, model.vocabularySize]
  await session.run({ ...weightTensors(weights), ...textInputs([ids]) }, { logits: float32(logits, shape) })
  await session.release()
  return logits
}

describe('LoRA as PEFT has it', () => {
  for (const name of NAMES) {
    test(`${name}: logits, with adapters on and merged`, async () => {
      const { base, model, weights } = ADAPTED[name]()
      const { ids, logits } = readJson(peftFolder(name), 'expected.json') as { ids: number[]; logits: number[][] }
      assertClose(await logitsOf(model, weights, ids), logits.flat(), 1e-4, 'adapters on')
      const merged = await mergedWeights(model, weights)
      assert.deepEqual([...merged.keys()].sort(), [...base.model.parameters.keys()].sort())
      assertClose(await logitsOf(base.model, merged, ids), logits.flat(), 1e-4, 'merged')
    })

    test(`${name}: what is written is what PEFT writes`, () => {
      const { model, weights } = ADAPTED[name]()
      const folder = temporaryFolder()
      writeAdapter(folder, model, weights, 'owner/base')
      const file = 'adapter_model.safetensors'
      assert.deepEqual(readSafetensors(join(folder, file)), readSafetensors(join(peftFolder(name), file)))
      const ours = readJson(folder, 'adapter_config.json') as Record<string, unknown>
      const theirs = readJson(peftFolder(name), 'adapter_config.json') as Record<string, unknown>
      const { target_modules: targets, base_model_name_or_path: path, ...rest } = ours
      assert.equal(path, 'owner/base')
      // PEFT looks names up by how they end.
      const [own, given] = [targets, theirs.target_modules] as string[][]
      assert.deepEqual(own!.toSorted(), [...new Set(given!.map((name) => name.split('.').at(-1)!))].sort())
      for (const [field, value] of Object.entries(rest)) assert.deepEqual(value, theirs[field], field)
    })
  }
})

describe('fresh adapters', () => {
  const WIDTHS = { q_proj: 256, down_proj: 512 }
  const model = withLora(
    modelFromConfig({
      model_type: 'llama',
      vocab_size: 32,
      hidden_size: 256,
      intermediate_size: 512,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 32,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
    }),
    { rank: 32, alpha: 8, targets: Object.keys(WIDTHS) },
  )
  const part = (weights: Weights, target: string, matrix: 'A' | 'B') => {
    const end = `${target}.lora_${matrix}.weight`
    return [...weights].find(([name]) => name.endsWith(end))![1].data
  }

  for (const [target, width] of Object.entries(WIDTHS)) {
    test(`${target}: A is uniform in ±1/√${width}, B nothing`, () => {
      const weights = initialAdapter(model, 3)
      const data = part(weights, target, 'A')
      const [n, bound] = [32 * width, 1 / Math.sqrt(width)]
      assert.equal(data.length, n)
      const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
      assert.ok(largest <= bound * (1 + 1e-6) && largest > 0.99 * bound, `${largest} of ${bound}`)
      const [sum, squares] = [data.reduce((a, x) => a + x, 0), data.reduce((a, x) => a + x * x, 0)]
      // Within four standard errors of mean 0 and variance bound²/3, whose fourth moment is bound⁴/5.
      assert.ok(Math.abs(sum / n) < (4 * bound) / Math.sqrt(3 * n), `mean ${sum / n}`)
      assert.ok(Math.abs((3 * squares) / n / bound ** 2 - 1) < 4 * Math.sqrt(0.8 / n), `variance ${squares / n}`)
      assert.ok(part(weights, target, 'B').every((x) => x === 0))
    })
  }

  test('the same for the same seed, others for another, and others for each projection', () => {
    const [weights, again, other] = [initialAdapter(model, 3), initialAdapter(model, 3), initialAdapter(model, 4)]
    assert.deepEqual(weights, again)
    assert.notDeepEqual(part(weights, 'q_proj', 'A'), part(other, 'q_proj', 'A'))
    const unit = (target: keyof typeof WIDTHS) => part(weights, target, 'A')[0]! * Math.sqrt(WIDTHS[target])
    assert.notEqual(unit('q_proj').toFixed(4), unit('down_proj').toFixed(4))
  })
})

test('merging leaves no session behind, and needs one for each way that weights lie', async (t) => {
  const sessions = watchSessions(t)
  const { model, weights } = ADAPTED.gpt2()
  await mergedWeights(model, weights, { threads: 1 })
  assert.deepEqual(await sessions(), { opened: 1, left: 0 })
})

describe('training LoRA', () => {
  const trainerOf = (model: Model, weights: Weights, recompute: Recompute = 'nothing') =>
    Trainer.create(model, weights, {
      loss: 'cross-entropy',
      optimizer: OPTIMIZER,
      maxTokens: 16,
      threads: 1,
      recompute,
    })

  for (const recompute of RECOMPUTE) {
    // Both ways to keep a weight, with biases and without; and smooth, where OPT's ReLU has corners.
    for (const name of ['llama', 'gpt2'] as const) {
      test(`${name}: gradients of A and B agree with differences of the loss; ${recompute} recomputed`, async () => {
        const { model, weights } = ADAPTED[name]()
        const trainer = await trainerOf(model, weights, recompute)
        await trainer.accumulate(BATCH, MEAN)
        const gradient = new Map([...trainer.accumulated].map(([key, { data }]) => [key, data.slice()]))
        const lossAlong = async (key: string, step: number) => {
          const { data } = weights.get(key)!
          const before = data.slice()
          const length = Math.hypot(...gradient.get(key)!)
          gradient.get(key)!.forEach((d, i) => (data[i]! += (step * d) / length))
          const { loss } = await trainer.accumulate(BATCH, MEAN)
          data.set(before)
          return loss
        }
        for (const [key, data] of gradient) {
          // Along the gradient, the loss changes by the gradient's length. Of the fourth order.
          const h = 0.002
          const difference = async (step: number) => (await lossAlong(key, step)) - (await lossAlong(key, -step))
          const slope = (8 * (await difference(h)) - (await difference(2 * h))) / (12 * h)
          const length = Math.hypot(...data)
          assert.ok(length > 0.02, `${key} has a gradient`)
          assert.ok(Math.abs(slope - length) < 0.005 * length + 3e-4, `${key}: ${slope} is not ${length}`)
        }
        await trainer.release()
      })
    }
  }

  test('begins at the model itself, changes adapters alone, and keeps gradients and moments of nothing else', async () => {
    const base = fixtureModel('llama')
    const model = withLora(base.model, { rank: 4, alpha: 8 })
    const weights = new Map([...base.weights, ...initialAdapter(model, 1)])
    const { ids } = ROWS[0]!
    assert.deepEqual(await logitsOf(model, weights, ids), await logitsOf(base.model, base.weights, ids))

    const trainer = await trainerOf(model, weights)
    const losses: number[] = []
    for (let i = 0; i < 12; i++) {
      losses.push((await trainer.accumulate(BATCH, MEAN)).loss)
      await trainer.step(0.02)
    }
    assert.ok(losses.at(-1)! < 0.6 * losses[0]!, `${losses}`)
    assert.deepEqual(new Map([...weights].slice(0, base.weights.size)), fixtureModel('llama').weights)
    const names = [...model.adapter!.parameters.keys()]
    assert.equal(names.length, 2 * 7 * base.model.layers)
    for (const memory of [trainer.accumulated, trainer.state.firstMoment, trainer.state.secondMoment])
      assert.deepEqual([...memory.keys()], names)
    await trainer.release()
  })

  for (const name of NAMES) {
    test(`${name}: what is sampled has the log-probs that are trained on`, async () => {
      const { model, weights } = ADAPTED[name]()
      const generator = await Generator.create(model, weights, { slots: 4, capacity: 24, threads: 1 })
      const prompt = [5, 9, 33]
      const sampled = await generator.generate([{ prompt, samples: 4 }], {
        temperature: 0.9,
        maxNewTokens: 16,
        stopIds: [],
        seed: 1,
      })
      await generator.release()
      const trainer = await Trainer.create(model, weights, {
        loss: 'cross-entropy',
        optimizer: OPTIMIZER,
        maxTokens: 24,
        threads: 1,
      })
      const batch = makeBatch(sampled.map(({ ids }) => ({ ids: [...prompt, ...ids], start: 3 })))
      const { logprobs } = await trainer.accumulate(batch, { ...MEAN, weights: new Float32Array(64), temperature: 0.9 })
      await trainer.release()
      assertClose(
        logprobs,
        sampled.flatMap((s) => s.logprobs),
        1e-5,
      )
    })
  }

  test('a target that the model does not have is named, with those it has', () => {
    assert.throws(() => withLora(fixtureModel('gpt2').model, { rank: 4, alpha: 8, targets: ['c_fc', 'q_proj'] }), {
      code: 'invalid_request',
      message: 'lora.targets names "q_proj", but the projections of this model are c_attn, c_proj, c_fc',
    })
  })
})
