/** Every family of models trains, and what it generates with a cache is what the whole text without one gives. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 }
const PROMPTS = [
  [5, 9, 33],
  [101, 4, 55, 23, 88],
]
const NEW_TOKENS = 12
const FAMILIES = readdirSync(new URL('../../fixtures/parity', import.meta.url))

test('eleven kinds of model are here', () => assert.equal(FAMILIES.length, 11))

for (const name of FAMILIES) {
  test(`${name} learns a text, and then generates alike with a cache and without`, async () => {
    const { model, weights } = fixtureModel(name)
    const options = { loss: 'cross-entropy', optimizer: OPTIMIZER, maxTokens: 24, threads: 1 } as const
    const trainer = await Trainer.create(model, weights, options)
    const batch = makeBatch([{ ids: [5, 9, 33, 7, 60, 12, 90, 41], start: 1 }])
    const losses: number[] = []
    for (let step = 0; step < 8; step++) {
      const mean = { weights: new Float32Array(batch.tokens).fill(1 / batch.tokens) }
      losses.push((await trainer.accumulate(batch, mean)).loss)
      await trainer.step(0.01)
    }
    await trainer.release()
    assert.ok(losses.at(-1)! < 0.7 * losses[0]!, `losses ${losses}`)

    const generator = await Generator.create(model, weights, { slots: 2, capacity: 24, threads: 1 })
    const requests = PROMPTS.map((prompt) => ({ prompt, samples: 1 }))
    const greedy = { temperature: 0, maxNewTokens: NEW_TOKENS, stopIds: [], seed: 1 }
    const completions = await generator.generate(requests, greedy)
    await generator.release()

    const session = await Session.create(logitsGraph(model, { maxTokens: 24 }), { threads: 1 })
    for (const [i, prompt] of PROMPTS.entries()) {
      const text = [...prompt, ...completions[i]!.ids]
      const V = model.vocabularySize
      const logits = new Float32Array(text.length * V)
      const outputs = { logits: float32(logits, [text.length, V]) }
      await session.run({ ...weightTensors(weights), ...textInputs([text]) }, outputs)
      const best = (at: number) => {
        const row = logits.subarray(at * V, (at + 1) * V)
        return row.indexOf(row.reduce((a, b) => Math.max(a, b)))
      }
      const without = completions[i]!.ids.map((_, t) => best(prompt.length + t - 1))
      assert.deepEqual(completions[i]!.ids, without)
    }
    await session.release()
  })
}
