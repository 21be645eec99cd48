import assert from 'node:assert/strict'
import { test } from 'node:test'
import { majorityAnswer } from '../../../src/core/rewards/majority.ts'
import { unlimited } from '../../../src/core/work-budget.ts'
import { assessRows } from '../../../src/core/rewards/reward-rows.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { rewardRecipe } from '../../../src/core/schemas/reward.ts'
import { verifierOf } from '../../../src/core/verifiers/index.ts'

const math = verifierOf('math')
const majority = (answers: (string | null)[], minShare = 0.5) =>
  majorityAnswer(
    answers.map((text) => (text === null ? null : math.read(text))),
    math,
    minShare,
    unlimited(),
  )

test('answers are one by value, however they are written', async () => {
  const found = await majority(['0.5', '1/2', '50%', '3'])
  assert.equal(found!.share, 0.75)
  assert.deepEqual(await majority(['7', '7', '8', '8', '7.0']), { answer: '7', share: 0.6 })
})

test('rows without an answer count against a majority', async () => {
  assert.equal(await majority(['4', '4', null, null, null]), null)
  assert.deepEqual(await majority(['4', '4', null, null, null], 0.4), { answer: '4', share: 0.4 })
})

test('the majority need not have spoken first', async () => {
  assert.deepEqual(await majority(['8', '7', '9', '7', '7']), { answer: '7', share: 0.6 })
  assert.deepEqual(await majority(['8', '8', '7', '7', '7']), { answer: '7', share: 0.6 })
})

test('a tie is no majority, nor is one vote', async () => {
  assert.equal(await majority(['1', '1', '2', '2'], 0), null)
  assert.equal(await majority(['1', '2', '3'], 0), null)
  assert.equal(await majority(['1'], 0), null)
  assert.equal(await majority([], 0), null)
})

test('an answer that nothing could be compared with stands in for no gold', async () => {
  assert.equal(await majority(['\\boxed{the answer}', '\\boxed{the answer}', '7']), null)
  assert.deepEqual((await majority(['\\boxed{the root}', '\\boxed{the root}', '7']))?.answer, 'the root')
})

test('each answer is read once, however many it is compared with', async () => {
  const texts = Array.from({ length: 128 }, (_, i) => `So the answer is \\boxed{\\sqrt{${i + 2}} + ${i}}.`)
  let read = 0
  const counting = { ...math, read: (text: string) => (read++, math.read(text)) }
  const recipe = parse(rewardRecipe, { lambda: 1, verifier: 'math', pseudo_labels: {} })
  assert.equal(await majorityAnswer(texts.map(counting.read), counting, 0.5, unlimited()), null)
  assert.equal(read, 128)
  const rows = await assessRows(recipe, texts.map((completion) => ({ prompt: 'q', completion, finish_reason: 'stop' as const }))) // prettier-ignore
  assert.ok(rows.every(({ verdict }) => verdict === null))
})
