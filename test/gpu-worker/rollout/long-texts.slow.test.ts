/** A model that rotates long texts otherwise: what is generated with a cache is what the whole text without one gives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadFolder } from '../../../src/gpu-worker/models/load-folder.ts'
import { Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import { BatchDecoder } from '../../../src/gpu-worker/serve/batch-decoder.ts'
import { LabelScorer } from '../../../src/gpu-worker/rollout/label-scorer.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { assertClose } from '../../helpers/close.ts'

/** Longrope, of which texts of more than 48 tokens are long. */
const { model, weights } = loadFolder(fileURLToPath(new URL('../../fixtures/families/phi3', import.meta.url)))
const LIMIT = 48
const text = (length: number, from: number) => Array.from({ length }, (_, i) => 3 + ((from + 7 * i) % 100))

/** Logits after every token of a text by itself. */
async function logitsOf(ids: readonly number[]): Promise<Float32Array[]> {
  const session = await Session.create(logitsGraph(model, { maxTokens: 96 }), { threads: 1 })
  const V = model.vocabularySize
  const out = new Float32Array(ids.length * V)
  await session.run({ ...weightTensors(weights), ...textInputs([ids]) }, { logits: float32(out, [ids.length, V]) })
  await session.release()
  return ids.map((_, t) => out.slice(t * V, (t + 1) * V))
}
const best = (logits: Float32Array) => logits.indexOf(logits.reduce((a, b) => Math.max(a, b)))
const last = <T>(list: readonly T[]): T => list.at(-1)!

test('texts that become long on the way, at one moment or another, beside ones that do not', async () => {
  assert.equal(model.longTexts, LIMIT)
  const prompts = [text(LIMIT - 3, 1), text(LIMIT, 2), text(LIMIT + 1, 3), text(5, 4), text(LIMIT - 2, 5)]
  const generator = await Generator.create(model, weights, { slots: 3, capacity: 96, threads: 1 })
  const greedy = { temperature: 0, maxNewTokens: 8, stopIds: [], seed: 1 }
  const completions = await generator.generate(
    prompts.map((prompt) => ({ prompt, samples: 2 })),
    greedy,
  )
  await generator.release()
  for (const [i, prompt] of prompts.entries()) {
    const expected: number[] = []
    while (expected.length < 8) expected.push(best(last(await logitsOf([...prompt, ...expected]))))
    for (const { ids } of completions.slice(2 * i, 2 * i + 2)) assert.deepEqual(ids, expected, `prompt ${i}`)
  }
})

test('texts of the server that become long, beside ones that do not', async () => {
  const prompts = [text(LIMIT - 3, 1), text(LIMIT, 2), text(5, 4)]
  const decoder = await BatchDecoder.create(model, weights, {
    ...{ slots: 3, capacity: 96, ids: model.vocabularySize, threads: 1 },
  })
  assert.equal(decoder.mostRead, (2 ** 24 / model.vocabularySize) | 0)
  await Promise.all(
    prompts.map(async (prompt, i) => {
      const logits: Float32Array[] = []
      const ids: number[] = []
      await new Promise<void>((resolve) => {
        const choose = (next: Float32Array) => {
          logits.push(next.slice())
          if (logits.length > 8) return (resolve(), null)
          ids.push(best(next))
          return last(ids)
        }
        decoder.add(prompt, [choose])
      })
      for (const [t, found] of logits.entries()) {
        assertClose(
          [...found],
          [...last(await logitsOf([...prompt, ...ids.slice(0, t)]))],
          1e-4,
          `text ${i}, token ${t}`,
        )
      }
    }),
  )
  await decoder.release()
})

test('texts with a long beginning in common are each as if alone, on either side of the limit', async () => {
  const shared = text(LIMIT - 1, 9)
  const texts = [[...shared, 5], [...shared, 5, 6], [...shared, 7, 8, 9], shared]
  const scorer = await LabelScorer.create(model, weights, { maxTokens: 96, threads: 1 })
  const scores = await scorer.score(texts, [4, 8])
  await scorer.release()
  for (const [i, ids] of texts.entries()) {
    const logits = last(await logitsOf(ids))
    const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0))
    assertClose(scores[i]!, [logits[4]! - total, logits[8]! - total], 1e-5, `text ${i}`)
  }
})
