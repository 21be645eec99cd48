import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { evalSpec } from '../../../src/core/schemas/eval.ts'
import type { Sample } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { evaluate } from '../../../src/gpu-worker/algorithms/evaluate.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { tinyModelFolder } from '../../helpers/tiny-model-folder.ts'

const folder = tinyModelFolder()

const RIGHT = [true, false, true, false, true]
const rowsOf = (golds: string[]) => golds.map((answer, i) => ({ line: i + 1, row: { prompt: `problem ${i}`, answer } }))

/** Runs an evaluation of rows with these golds; `judge` answers an item. */
async function run(golds: string[], config: object, judge?: (item: JudgeItem, i: number) => Judgment) {
  const kept: Sample[] = []
  const context = {
    threads: 1,
    openModel: async () => openFolder(folder),
    rows: () => rowsOf(golds),
    judge: async (items: JudgeItem[]) => items.map(judge!),
    metrics: () => {},
    stopRequested: () => false,
    samples: (rows: Sample[]) => void kept.push(...rows),
  } as unknown as RunContext
  const spec = parse(
    evalSpec,
    {
      type: 'eval',
      model: 'm',
      dataset: 'd',
      verifier: 'contains',
      ...(judge && { judge: 'j' }),
      config: { max_new_tokens: 12, temperature: 1, ...config },
    },
    'spec',
  )
  return { result: await evaluate(spec, context), kept }
}

/** What the model writes, the same at each run, where it is to be right; something else where it is not. */
const written = (
  await run(
    RIGHT.map(() => 'never written'),
    {},
  )
).kept.map(({ completion }) => completion)
const golds = RIGHT.map((right, i) => (right ? written[i]! : 'never written'))

describe('evaluate', () => {
  it('keeps as many answers as asked, in order', async () => {
    const { kept } = await run(golds, { samples: 3 })
    assert.deepEqual(
      kept.map(({ index, prompt, reward }) => [index, prompt, reward]),
      RIGHT.slice(0, 3).map((right, i) => [i, `problem ${i}`, right ? 1 : 0]),
    )
    assert.deepEqual((await run(golds, { samples: 0 })).kept, [])
  })

  it('says how the judge agrees with the verifier, over the answers it scored', async () => {
    const probabilities = [0.9, 0.6, 0.4, 0.1]
    const { result, kept } = await run(golds, {}, (_, i) =>
      i < 4
        ? { outcome: 'scored', probability: probabilities[i]!, labelMass: 0.9 }
        : { outcome: 'abstained', labelMass: 0.4, reason: 'said something else' },
    )
    // Right answers scored 0.9 and 0.4, wrong ones 0.6 and 0.1: three of four pairs are in order.
    const { label_mass, mean, ...judge } = result.judge!
    assert.deepEqual(judge, {
      scored: 4,
      auc: 0.75,
      accuracy: 0.5,
      false_positive_rate: 0.5,
      false_negative_rate: 0.5,
    })
    assert.ok(Math.abs(mean! - 0.5) < 1e-12)
    assert.ok(Math.abs(label_mass! - 0.8) < 1e-12)
    assert.deepEqual(
      kept.map(({ terms }) => terms!.judge),
      [...probabilities, undefined],
    )
    assert.equal(result.correct, 3)
  })
})
