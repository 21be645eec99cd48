import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { rewardRows } from '../../../src/core/rewards/reward-rows.ts'
import type { RewardItem, RewardRecipe } from '../../../src/core/schemas/reward.ts'
import { JudgePrefetch } from '../../../src/gpu-worker/algorithms/judge-prefetch.ts'
import type { Completion } from '../../../src/gpu-worker/rollout/generator.ts'

const RECIPE: RewardRecipe = {
  lambda: 1, mu: 1, rho: 0, verifier: 'math', judge: 'judge_1', normalise: 'row', routing: 'split', gate: false,
} // prettier-ignore
const GROUP = 2

/** Answers to question 0 … n−1, two each; those to odd questions are labelled. */
const ANSWERS = Array.from({ length: 10 }, (_, i): RewardItem => {
  const question = Math.floor(i / GROUP)
  const item: RewardItem = { prompt: `What is ${question}?`, completion: `#### ${i}`, finish_reason: 'stop' }
  return question % 2 ? { ...item, answer: String(i) } : item
})

const scored = ({ answer }: JudgeItem) => ({ outcome: 'scored', probability: Number(answer.slice(5)) / 10 }) as Judgment

/** A judge that answers when it is told to, and what it was asked, call by call. */
function heldJudge() {
  const calls: { answers: string[]; answer: () => void; refuse: () => void }[] = []
  const judge = (items: JudgeItem[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<Judgment[]>()
    calls.push({
      answers: items.map(({ answer }) => answer.slice(5)),
      answer: () => resolve(items.map(scored)),
      refuse: () => reject(new Error('the budget is spent')),
    })
    return promise
  }
  return { judge, calls }
}

/** Tells of answers that are done, by their places. */
function listening(ahead: JudgePrefetch): (...places: number[]) => void {
  const tell = ahead.whenDone(RECIPE, GROUP, (_, place) => ANSWERS[place]!)
  return (...places) => places.forEach((place) => tell({} as Completion, place))
}

test('a question is asked about once its answers are there; what comes meanwhile goes together; nothing is asked twice', async () => {
  const { judge, calls } = heldJudge()
  const ahead = new JudgePrefetch(judge)
  const done = listening(ahead)
  done(4, 0, 5)
  await turn()
  assert.equal(String(calls.map((call) => call.answers)), '4,5', 'question 2 alone is complete')
  done(1, 2, 3)
  await turn()
  assert.equal(calls.length, 1, 'one call at a time')
  calls[0]!.answer()
  await turn()
  assert.deepEqual(calls[1]!.answers, ['0', '1'], 'labelled answers are the verifier’s')

  const rewards = rewardRows(RECIPE, ANSWERS, ahead.ask)
  await turn()
  assert.deepEqual(calls[2]!.answers, ['8', '9'], 'the rest, without waiting for the second call')
  calls.slice(1).forEach((call) => call.answer())
  const plain = await rewardRows(RECIPE, ANSWERS, (items) => Promise.resolve(items.map(scored)))
  assert.deepEqual(await rewards, plain)
})

test('a failure ahead is met by whoever asks for the answer, and by nobody before', async () => {
  const { judge, calls } = heldJudge()
  const ahead = new JudgePrefetch(judge)
  listening(ahead)(0, 1)
  await turn()
  calls[0]!.refuse()
  await turn()
  await assert.rejects(rewardRows(RECIPE, ANSWERS, ahead.ask), /the budget is spent/)
})
