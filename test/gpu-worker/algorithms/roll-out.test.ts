import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { jobSpec, type LeasedSpec } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import type { Prompt } from '../../../src/gpu-worker/algorithms/prompts.ts'
import { rollOut } from '../../../src/gpu-worker/algorithms/roll-out.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import type { Completion, Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import type { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'
import { assertClose } from '../../helpers/close.ts'
import { job } from '../../helpers/small-jobs.ts'

const PROMPTS: Prompt[] = [
  { ids: [1, 2], role: 'labelled', line: 4, text: 'Q: 1 + 1?', question: '1 + 1?', answer: '2' },
  { ids: [3], role: 'unlabelled', line: 9, text: 'Q: 2 + 2?', question: '2 + 2?', answer: undefined },
]
const answer = (id: number, length = 1, finish: 'stop' | 'length' = 'stop'): Completion => ({
  ids: Array<number>(length).fill(id),
  logprobs: Array<number>(length).fill(-1),
  finish,
})
const ANSWERS = [answer(2), answer(3), answer(4, 2, 'length'), answer(5)]
const scored = (probability: number): Judgment => ({ outcome: 'scored', probability, labelMass: 1 }) as Judgment
const abstained = { outcome: 'abstained', reason: 'for the test' } as Judgment
const byAnswer = ({ answer: said }: JudgeItem) => scored(Number(said![0]) / 8)

interface Of {
  answers?: Completion[]
  judge?: (item: JudgeItem) => Judgment
  reward?: object
  config?: object
  seed?: string
  judgedElsewhere?: boolean
}

/** Rolls out with a sampler that answers as told, and notes what everybody was asked, in order. */
async function run({ answers = ANSWERS, judge = byAnswer, seed = '3/rollout/2', ...of }: Of = {}) {
  const said: unknown[] = []
  const { reward, ...rest } = job('grpo', { group_size: 2, temperature: 0.75, max_new_tokens: 10, ...of.config })
  const parsed = parse(jobSpec, { ...rest, reward: { ...reward, ...of.reward } }) as LeasedSpec<'grpo'>
  const config = { max_prompt_tokens: 32, max_new_tokens: 10, ...of.config }
  const spec = { ...parsed, config: { ...parsed.config, ...config } }
  const generate = async (...asked: unknown[]) => (said.push(['generate', ...asked]), answers)
  const context = {
    judge: async (items: JudgeItem[], role: string) => (said.push([role, items]), items.map(judge)),
    judgedElsewhere: of.judgedElsewhere ?? false,
  } as unknown as RunContext
  const rollouts = await rollOut(PROMPTS, {
    ...{ spec, context, stopIds: [0], step: 2, seed },
    generator: { generate } as unknown as Generator,
    codec: { decodeAnswer: (_: unknown, ids: number[]) => ids.join('') } as unknown as TextCodec,
    lap: (what) => void said.push(['lap', what]),
  })
  return { rollouts, said }
}

describe('rollOut', () => {
  test('samples each prompt as often as a group is large, then has the answers judged, and says when each is done', async () => {
    const { said } = await run()
    const sampling = { maxNewTokens: 10, stopIds: [0], temperature: 0.75, seed: '3/rollout/2' }
    const asked = [
      { prompt: [1, 2], samples: 2 },
      { prompt: [3], samples: 2 },
    ]
    const items = [
      { question: '1 + 1?', answer: '2', reference: '2' },
      { question: '1 + 1?', answer: '3', reference: '2' },
      { question: '2 + 2?', answer: '44' },
      { question: '2 + 2?', answer: '5' },
    ]
    assert.deepEqual(said, [
      ['generate', asked, sampling],
      ['lap', 'rollout'],
      ['judge', items],
      ['lap', 'reward'],
    ])
  })

  test('an answer goes with its prompt, what it was judged as, and what it earned', async () => {
    const { rollouts } = await run()
    assert.deepEqual(
      rollouts.map(({ prompt }) => prompt.line),
      [4, 4, 9, 9],
    )
    assert.deepEqual(
      rollouts.map(({ completion }) => completion),
      ANSWERS,
    )
    assert.deepEqual(rollouts[0]!.item, { prompt: '1 + 1?', completion: '2', finish_reason: 'stop', answer: '2' })
    assert.deepEqual(rollouts[2]!.item, { prompt: '2 + 2?', completion: '44', finish_reason: 'length' })
    assert.deepEqual(
      rollouts.map(({ reward, score }) => [reward.reward, score]),
      [2, 3, 4, 5].map((id) => [id / 8, id / 8]),
    )
  })

  test('an answer that comes close to the limit is learned from as worth less; its reward stays', async () => {
    // Ten tokens at the most; the penalty rises over the last four of them.
    const answers = [answer(4, 6), answer(4, 7), answer(4, 9), answer(4, 10, 'length')]
    const config = { overlong_penalty: 0.5, overlong_buffer: 0.4 }
    const { rollouts } = await run({ answers, config })
    assertClose(
      rollouts.map(({ score }) => score!),
      [0.5, 0.5 - 0.125, 0.5 - 0.375, 0],
      1e-12,
    )
    assert.ok(rollouts.every(({ reward }) => reward.reward === 0.5))
  })

  test('an answer without a reward has no score, however long it is', async () => {
    const judge = (item: JudgeItem) => (item.answer === '3' ? abstained : byAnswer(item))
    const { rollouts } = await run({ judge, config: { overlong_penalty: 1, overlong_buffer: 1 } })
    assert.equal(rollouts[1]!.score, null)
    assert.deepEqual([rollouts[1]!.reward.outcome, rollouts[1]!.overlap], ['abstained', null])
  })

  test('judge and truth stand side by side where both are known', async () => {
    const { rollouts } = await run({ reward: { verifier: 'exact', lambda: 0.5, mu: 0.5 } })
    assert.deepEqual(
      rollouts.map(({ overlap }) => overlap),
      [{ score: 0.25, correct: true }, { score: 0.375, correct: false }, null, null],
    )
  })

  test("a random control is drawn from the step's seed", async () => {
    const reward = { control: { kind: 'random' } }
    const drawn = async (seed: string) => (await run({ reward, seed })).rollouts.map(({ score }) => score)
    assert.deepEqual(await drawn('a'), await drawn('a'))
    assert.notDeepEqual(await drawn('a'), await drawn('b'))
  })

  test('the sampler tells of answers that are done only where the judge can work meanwhile', async () => {
    const toldBy = async (of: Of) => 'onDone' in ((await run(of)).said[0] as [string, unknown, object])[2]
    assert.deepEqual([await toldBy({}), await toldBy({ judgedElsewhere: true })], [false, true])
  })

  test('stops where an answer has no finite log-probability, naming its prompt alone', async () => {
    const bad = { ...answer(4, 2), logprobs: [-1, NaN] }
    await assert.rejects(run({ answers: [answer(2), answer(3), answer(4), bad] }), {
      code: 'diverged',
      message:
        /^step 2: the log-probability of its answers is NaN, from unlabelled, line 9\. .* higher kl_coefficient\.$/,
    })
  })

  test('stops where not one answer could be scored', async () => {
    await assert.rejects(run({ judge: () => abstained }), {
      code: 'invalid_request',
      message: /^step 2: none of 4 answers got a score: the judge gave no verdict \(for the test\)\./,
    })
  })
})
