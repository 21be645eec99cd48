import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LabelScorer } from '../../../src/gpu-worker/rollout/label-scorer.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { groupByPrefix, packGroups, textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'
import { softmax } from '../../helpers/nd-array.ts'

const QUESTION = [5, 9, 33, 71, 12, 12, 40, 8]
const OTHER = [5, 9, 33, 90, 3, 3]
const TEXTS = [
  [...QUESTION, 1, 2, 3],
  [7],
  [...OTHER, 55],
  [...QUESTION, 1, 2, 3],
  [...QUESTION, 88],
  [101, 4, 55, 23, 88, 12, 9, 150, 7, 7, 7, 7],
  [...OTHER, 55, 54, 53, 52, 51, 50, 49, 48],
  QUESTION,
  [42, 42],
  [...QUESTION, 4, 4, 4, 4, 4, 4],
]
const LABELS = [17, 3, 159]

describe('label scorer', () => {
  // Between them: grouped queries, a sliding window, biases, tied heads, learned and offset positions.
  for (const name of ['llama', 'gemma3', 'gpt2', 'opt', 'qwen3']) {
    test(`scores are those of each text by itself: ${name}`, async () => {
      const { model, weights } = fixtureModel(name)
      const session = await Session.create(logitsGraph(model, { maxTokens: 32 }), { threads: 1 })
      const V = model.vocabularySize
      const wanted: number[][] = []
      for (const text of TEXTS) {
        const logits = float32(new Float32Array(text.length * V), [text.length, V])
        await session.run({ ...weightTensors(weights), ...textInputs([text]) }, { logits })
        const last = softmax([...(logits.data as Float32Array).subarray(-V)])
        wanted.push(LABELS.map((label) => Math.log(last[label]!)))
      }
      await session.release()

      for (const runTokens of [8192, 24, 1]) {
        const scorer = await LabelScorer.create(model, weights, { maxTokens: 32, threads: 1, runTokens })
        const scores = await scorer.score(TEXTS, LABELS)
        await scorer.release()
        scores.forEach((row, i) => assertClose(row, wanted[i]!, 1e-5, `text ${i}, runs of ${runTokens}`))
      }
    })
  }

  test('nothing to score is nothing', async () => {
    const { model, weights } = fixtureModel('llama')
    const scorer = await LabelScorer.create(model, weights, { maxTokens: 32, threads: 1 })
    assert.deepEqual(await scorer.score([], LABELS), [])
    await scorer.release()
  })
})

describe('groups by prefix', () => {
  const computed = (texts: number[][]) =>
    groupByPrefix(texts).reduce(
      (sum, { shared, rows }) => sum + shared + rows.reduce((own, row) => own + texts[row]!.length - shared, 0),
      0,
    )

  test('answers to one question share it, whatever their order', () => {
    const question = (q: number) => [0, 0, ...Array<number>(20).fill(q)]
    const texts = [1, 2, 3, 1, 2, 3].map((q, i) => [...question(q), 100 + i, 200])
    assert.equal(computed(texts), 3 * (22 + 2 * 2))
    assert.deepEqual(
      groupByPrefix(texts).map(({ rows }) => rows),
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    )
  })

  test('single answers to many questions share the template', () => {
    const texts = [1, 2, 3, 4].map((q) => [0, 0, 0, 0, 0, 0, q, q])
    assert.deepEqual(groupByPrefix(texts), [{ shared: 6, rows: [0, 1, 2, 3] }])
  })

  test('equal texts keep a token of their own, and strangers share nothing', () => {
    assert.deepEqual(groupByPrefix([[1, 2], [1, 2], [3]]), [
      { shared: 1, rows: [0, 1] },
      { shared: 0, rows: [2] },
    ])
  })

  test('runs hold every text once, and no more padded tokens than they may', () => {
    const texts = Array.from({ length: 60 }, (_, i) => [
      ...Array<number>(10).fill(i % 7),
      ...Array<number>(1 + ((i * 31) % 17)).fill(i),
    ])
    const runs = packGroups(groupByPrefix(texts), texts, 64)
    const rows = runs.flatMap((run) => run.flatMap((group) => group.rows))
    assert.deepEqual(
      rows.toSorted((a, b) => a - b),
      [...texts.keys()],
    )
    for (const run of runs) {
      const P = Math.max(...run.map(({ shared }) => shared))
      const A = Math.max(...run.map((group) => group.rows.length))
      const S = Math.max(...run.flatMap(({ shared, rows }) => rows.map((row) => texts[row]!.length - shared)))
      assert.ok(run.length * (P + A * S) <= 64)
    }
  })
})
