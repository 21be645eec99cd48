import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeTrainingRows, type GradedAnswer } from '../../../src/core/judges/training-rows.ts'

const JUDGE = { template: { user: 'Q: {question}\nA: {answer}\nRight?' }, labels: { yes: 'Yes', no: 'No' } }

const graded = (right: number, wrong: number): GradedAnswer[] => [
  ...Array.from({ length: right }, (_, i) => ({ question: `q${i}`, answer: `so it is ${i} #### ${i}`, correct: true })),
  ...Array.from({ length: wrong }, (_, i) => ({ question: `q${i}`, answer: `it is #### ${i + 1}`, correct: false })),
]
const shown = (row: { messages?: { content: string }[] | undefined }) => row.messages![0]!.content
const answerOf = (row: { messages?: { content: string }[] | undefined }) => /A: (.*)\nRight/s.exec(shown(row))![1]!

test('as many Yes as No, whatever the share of right answers; the rarer kind is repeated evenly', () => {
  for (const [right, wrong] of [
    [60, 20],
    [20, 60],
  ] as const) {
    const rows = judgeTrainingRows(graded(right, wrong), { ...JUDGE, seed: 1, truncated: 0 })
    const count = (label: string) => rows.filter(({ completion }) => completion === label).length
    assert.deepEqual([count('Yes'), count('No')], [60, 60])
    const repeats = [...Map.groupBy(rows, shown).values()].map((same) => same.length)
    assert.deepEqual([...new Set(repeats)].sort(), [1, 3])
  }
})

test('a verdict that is very rare is not repeated without end', () => {
  const rows = judgeTrainingRows(graded(1, 100), { ...JUDGE, seed: 1, truncated: 0 })
  assert.equal(rows.length, 16)
})

test('right answers come again without their ends, as No, and make up their share of the wrong ones', () => {
  const rows = judgeTrainingRows(graded(100, 80), { ...JUDGE, seed: 1, truncated: 0.2 })
  const cut = rows.filter((row) => row.completion === 'No' && !/#### \d+$/.test(answerOf(row)))
  assert.equal(cut.length, 20)
  assert.ok(cut.every((row) => answerOf(row).startsWith('so')))
  assert.ok(rows.every((row) => row.completion === 'No' || /#### \d+$/.test(answerOf(row))))
})

test('the same answer twice counts once, and the same seed gives the same rows', () => {
  const rows = graded(30, 30)
  const options = { ...JUDGE, seed: 7 }
  assert.deepEqual(judgeTrainingRows([...rows, ...rows], options), judgeTrainingRows(rows, options))
  assert.notDeepEqual(judgeTrainingRows(rows, { ...options, seed: 8 }), judgeTrainingRows(rows, options))
})

test('there is nothing to learn from answers of one kind', () => {
  assert.throws(() => judgeTrainingRows(graded(5, 0), { ...JUDGE, seed: 1 }), /5 different ones 5 are right/)
})
