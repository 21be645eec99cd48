import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { rewardRows } from '../../../src/core/rewards/reward-rows.ts'
import type { RewardItem, RewardRecipe } from '../../../src/core/schemas/reward.ts'
import { isPrefetched, JudgePrefetch } from '../../../src/gpu-worker/algorithms/judge-prefetch.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
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

test('what waits for a call when the step asks is asked with the rest, and nothing more after it', async () => {
  const { judge, calls } = heldJudge()
  const ahead = new JudgePrefetch(judge)
  const done = listening(ahead)
  done(4, 5)
  await turn()
  done(0, 1)
  await turn()
  const rewards = rewardRows(RECIPE, ANSWERS, ahead.ask)
  await turn()
  assert.equal(String(calls.map((call) => call.answers)), '4,5,0,1,8,9')
  calls.forEach((call) => call.answer())
  const plain = await rewardRows(RECIPE, ANSWERS, (items) => Promise.resolve(items.map(scored)))
  assert.deepEqual(await rewards, plain)
  // Told of answers that late, it asks nobody.
  done(8, 9)
  await turn()
  assert.equal(calls.length, 2)
})

test('where all has been asked ahead, the step asks nobody', async () => {
  const { judge, calls } = heldJudge()
  const ahead = new JudgePrefetch(judge)
  const done = listening(ahead)
  for (const places of [[0, 1], [4, 5], [8, 9]]) {
    done(...places)
    await turn()
    calls.at(-1)!.answer()
    await turn()
  } // prettier-ignore
  assert.deepEqual(
    calls.map((call) => call.answers),
    [['0', '1'], ['4', '5'], ['8', '9']],
  ) // prettier-ignore
  const { rewards } = await rewardRows(RECIPE, ANSWERS, ahead.ask)
  assert.equal(calls.length, 3)
  assert.deepEqual(
    [0, 1, 4, 5, 8, 9].map((i) => rewards[i]!.reward),
    [0, 0.1, 0.4, 0.5, 0.8, 0.9],
  )
})

test('equal answers to one question get an answer of the judge each', async () => {
  let count = 0
  const judge = async (items: JudgeItem[]) =>
    items.map((): Judgment => ({ outcome: 'scored', probability: count++ / 10, labelMass: 1 }))
  const ahead = new JudgePrefetch(judge)
  const same: RewardItem = { prompt: 'What?', completion: '#### 1', finish_reason: 'stop' }
  const tell = ahead.whenDone(RECIPE, 2, () => same)
  tell({} as Completion, 0)
  tell({} as Completion, 1)
  await turn()
  const item: JudgeItem = { question: 'What?', answer: '#### 1' }
  const said = await ahead.ask([item, item, item], 'judge')
  assert.deepEqual(
    said.map((judgment) => judgment.outcome === 'scored' && judgment.probability),
    [0, 0.1, 0.2],
  )
})

test('after a call that failed nothing more is asked ahead', async () => {
  const { judge, calls } = heldJudge()
  const done = listening(new JudgePrefetch(judge))
  done(0, 1)
  await turn()
  calls[0]!.refuse()
  await turn()
  done(4, 5)
  await turn()
  assert.equal(calls.length, 1)
})

test('judge and reranker are asked ahead, each in its own name', async () => {
  const asked: string[] = []
  const ahead = new JudgePrefetch(async (items, role) => {
    asked.push(...items.map(({ answer }) => `${role} ${answer}`))
    return items.map(scored)
  })
  const recipe: RewardRecipe = { ...RECIPE, rho: 1, reranker: 'judge_2' }
  const tell = ahead.whenDone(recipe, GROUP, (_, place) => ANSWERS[place]!)
  tell({} as Completion, 0)
  tell({} as Completion, 1)
  await turn()
  assert.deepEqual(asked.toSorted(), ['judge #### 0', 'judge #### 1', 'reranker #### 0', 'reranker #### 1'])
})

test('judges are asked ahead only where they are elsewhere, and neither made up nor waiting for programs', () => {
  const elsewhere = { judgedElsewhere: true } as RunContext
  assert.equal(isPrefetched(RECIPE, elsewhere), true)
  assert.equal(isPrefetched({ ...RECIPE, control: { kind: 'shuffled', seed: 1 } }, elsewhere), true)
  assert.equal(isPrefetched(RECIPE, { judgedElsewhere: false } as RunContext), false)
  assert.equal(isPrefetched(RECIPE, {} as RunContext), false)
  assert.equal(isPrefetched({ ...RECIPE, control: { kind: 'random', seed: 1 } }, elsewhere), false)
  assert.equal(isPrefetched({ ...RECIPE, verifier: 'program' }, elsewhere), false)
})
