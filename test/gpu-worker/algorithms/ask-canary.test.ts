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
      generate: async () => texts.map((_, i) => ({ ids: [i], logprobs: [0], finish: 'stop' })),
    } as unknown as Generator,
    codec: { decode: ([i]: number[]) => texts[i!]! } as unknown as TextCodec,
    recipe: { ...RECIPE, ...recipe },
    sampling: { maxNewTokens: 8, stopIds: [] },
    context: {
      judge: async (items: JudgeItem[]) => items.map((item) => (asked.push(item), judge(item))),
      metrics: (_step: number, values: Record<string, number>) => void metrics.push(values),
    } as unknown as RunContext,
  })
  return { point, metrics, asked }
}

describe('askCanary', () => {
  test('truth by the verifier, and the mean of the judge, to whom a refused answer is worth nothing', async () => {
    const texts = ['2 + 3 = 5. #### 5', '2 + 3 = 6. #### 6', 'no number in here', '']
    const { point, metrics, asked } = await look(texts, ({ answer }) => scored(answer.endsWith('5') ? 0.9 : 0.5))
    assert.deepEqual(point, { step: 3, judge: (0.9 + 0.5) / 4, gold: 0.25, n: 4 })
    assert.deepEqual(metrics, [{ 'canary/gold': 0.25, 'canary/judge': 0.35 }])
    assert.deepEqual(
      asked.map(({ question }) => question),
      ['question 0', 'question 1'],
    )
  })

  test('an answer without a score is left out of the mean', async () => {
    const judge = ({ question }: JudgeItem): Judgment =>
      question === 'question 0' ? scored(0.8) : { outcome: 'failed', reason: 'timeout' }
    assert.equal((await look(['#### 5', '#### 5'], judge)).point.judge, 0.8)
  })

  test('a judge that is away is no judge that says 0', async () => {
    const away = (): Judgment => ({ outcome: 'failed', reason: 'ECONNREFUSED' })
    await assert.rejects(look(['#### 5'], away), {
      code: 'judge_unreachable',
      message: /^canary, step 3: .*ECONNREFUSED/,
    })
  })

  test('without a judge in the recipe none is asked, and no number is made up for it', async () => {
    const { metrics, asked } = await look(['#### 5'], () => scored(1), { lambda: 1, mu: 0, verifier: 'math' })
    assert.deepEqual([metrics, asked], [[{ 'canary/gold': 1 }], []])
  })
})
