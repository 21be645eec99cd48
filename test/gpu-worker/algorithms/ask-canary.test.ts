import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import type { RewardRecipe } from '../../../src/core/schemas/reward.ts'
import { askCanary } from '../../../src/gpu-worker/algorithms/ask-canary.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import type { Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import type { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'

const RECIPE: RewardRecipe = { lambda: 0, mu: 1, rho: 0, judge: 'judge', normalise: 'row', gate: true }
const scored = (probability: number): Judgment => ({ outcome: 'scored', probability, labelMass: 1 })

/** One look at four problems whose answer is 5 and of which the model writes these texts. */
async function look(texts: string[], judge: (item: JudgeItem) => Judgment, recipe: Partial<RewardRecipe> = {}) {
  const metrics: Record<string, number>[] = []
  const asked: JudgeItem[] = []
  const generated: unknown[] = []
  const point = await askCanary({
    step: 3,
    prompts: texts.map((_, i) => ({
      ids: [i],
      role: 'canary',
      line: i + 1,
      text: `text ${i}`,
      question: `question ${i}`,
      answer: '5',
    })),
    // The model writes what the test says; all else of the look is real.
    generator: {
      generate: async (...of: unknown[]) => {
        generated.push(...of)
        return texts.map((_, i) => ({ ids: [i], logprobs: [0], finish: 'stop' }))
      },
    } as unknown as Generator,
    codec: { decodeAnswer: (_: unknown, [i]: number[]) => texts[i!]! } as unknown as TextCodec,
    recipe: { ...RECIPE, ...recipe },
    sampling: { maxNewTokens: 8, stopIds: [2] },
    context: {
      judge: async (items: JudgeItem[]) => items.map((item) => (asked.push(item), judge(item))),
      metrics: (_step: number, values: Record<string, number>) => void metrics.push(values),
    } as unknown as RunContext,
  })
  return { point, metrics, asked, generated }
}

describe('askCanary', () => {
  test('truth by the verifier, and the mean of the judge, to whom a refused answer is worth nothing', async () => {
    const texts = ['2 + 3 = 5. #### 5', '2 + 3 = 6. #### 6', 'no number in here', '']
    const { point, metrics, asked } = await look(texts, ({ answer }) => scored(answer.endsWith('5') ? 0.9 : 0.5))
    const { rows, ...figures } = point
    assert.deepEqual(figures, { step: 3, judge: (0.9 + 0.5) / 4, gold: 0.25, n: 4 })
    // A refused answer is believed to be worth nothing, and states no result.
    const believed = [
      [0.9, 'right'],
      [0.5, 'wrong'],
      [0, 'none'],
      [0, 'none'],
    ]
    assert.deepEqual(
      rows.map(({ believed, verdict }) => [believed, verdict]),
      believed,
    )
    assert.deepEqual(metrics, [{ 'canary/gold': 0.25, 'canary/judge': 0.35 }])
    assert.deepEqual(
      asked.map(({ question }) => question),
      ['question 0', 'question 1'],
    )
  })

  test('an answer without a score is left out of the mean, and nothing is believed of it', async () => {
    const judge = ({ question }: JudgeItem): Judgment =>
      question === 'question 0' ? scored(0.8) : { outcome: 'failed', reason: 'timeout' }
    const { point } = await look(['#### 5', '#### 5'], judge)
    assert.deepEqual([point.judge, point.rows.map(({ believed }) => believed)], [0.8, [0.8, null]])
  })

  test('a judge that is away is no judge that says 0', async () => {
    const away = (): Judgment => ({ outcome: 'failed', reason: 'ECONNREFUSED' })
    await assert.rejects(look(['#### 5'], away), {
      code: 'judge_unreachable',
      message: /^canary, step 3: .*ECONNREFUSED/,
    })
  })

  test('without a judge in the recipe none is asked, and no number is made up for it', async () => {
    const { metrics, asked, point } = await look(['#### 5', ''], () => scored(1), {
      lambda: 1,
      mu: 0,
      verifier: 'math',
    })
    assert.deepEqual([metrics, asked, point.judge], [[{ 'canary/gold': 0.5 }], [], 0])
  })

  test('one greedy answer to each prompt is drawn, with the limits of the training', async () => {
    const { generated } = await look(['#### 5', '#### 6'], () => scored(1))
    assert.deepEqual(generated, [
      [
        { prompt: [0], samples: 1 },
        { prompt: [1], samples: 1 },
      ],
      { maxNewTokens: 8, stopIds: [2], temperature: 0, seed: 0 },
    ])
  })

  test('the judge is asked about labelled rows, too, and shown the gold, however the training routes them', async () => {
    const routed = { lambda: 1, verifier: 'math', routing: 'split' } as const
    const { asked, point } = await look(['#### 5'], () => scored(0.3), routed)
    assert.deepEqual(asked, [{ question: 'question 0', answer: '#### 5', reference: '5' }])
    assert.equal(point.judge, 0.3)
  })

  test('the recipe’s verifier says what is right', async () => {
    const texts = ['there are 5 of them and no more', 'there are 6']
    const { point } = await look(texts, () => scored(1), { lambda: 1, verifier: 'exact', gate: false })
    assert.equal(point.gold, 0)
    const held = await look(texts, () => scored(1), { lambda: 1, verifier: 'contains', gate: false })
    assert.equal(held.point.gold, 0.5)
  })

  test('a judge that is drawn at random is not watched; one whose scores are shuffled is', async () => {
    const { metrics, asked, point } = await look(['#### 5', ''], () => scored(0.6), {
      control: { kind: 'random', seed: 1 },
    })
    assert.deepEqual([metrics, asked, point.judge], [[{ 'canary/gold': 0.5 }], [], 0])
    const shuffled = await look(['#### 5'], () => scored(0.6), { control: { kind: 'shuffled', seed: 1 } })
    assert.deepEqual([shuffled.metrics, shuffled.asked.length], [[{ 'canary/gold': 1, 'canary/judge': 0.6 }], 1])
  })

  test('where every answer is refused nobody is asked, and the judge’s mean is 0', async () => {
    const { metrics, asked } = await look(['', ''], () => scored(1))
    assert.deepEqual([metrics, asked], [[{ 'canary/gold': 0, 'canary/judge': 0 }], []])
  })
})
