import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeTrainingRows, type GradedAnswer } from '../../../src/core/judges/judge-training-rows.ts'

const JUDGE = { template: { user: 'Q: {question}\nA: {answer}\nRight?' }, labels: { yes: 'Yes', no: 'No' } }

const graded = (right: number, wrong: number): GradedAnswer[] => [
  ...Array.from({ length: right }, (_, i) => ({ question: `q${i}`, answer: `so it is ${i} #### ${i}`, correct: true })),
  ...Array.from({ length: wrong }, (_, i) => ({ question: `q${i}`, answer: `it is #### ${i + 1}`, correct: false })),
]
/** Answers to one question. */
const answers = (question: string, right: number, wrong: number): GradedAnswer[] =>
  [right, wrong].flatMap((count, kind) =>
    Array.from({ length: count }, (_, i) => ({ question, answer: `${kind} ${i}`, correct: kind === 0 })),
  )
const shown = (row: { messages?: { content: string }[] | undefined }) => row.messages![0]!.content
const answerOf = (row: { messages?: { content: string }[] | undefined }) => /A: (.*)\nRight/s.exec(shown(row))![1]!

test('as many Yes as No, whatever the share of right answers; the rarer kind is repeated evenly', () => {
  for (const [right, wrong] of [
    [60, 20],
    [20, 60],
  ] as const) {
    const rows = judgeTrainingRows(graded(right, wrong), { ...JUDGE, seed: 1, truncated: 0, misplaced: 0 })
    const count = (label: string) => rows.filter(({ completion }) => completion === label).length
    assert.deepEqual([count('Yes'), count('No')], [60, 60])
    const repeats = [...Map.groupBy(rows, shown).values()].map((same) => same.length)
    assert.deepEqual([...new Set(repeats)].sort(), [1, 3])
  }
})

test('within a question that has both, Yes and No come equally often: hard questions are no hint', () => {
  const known = [...answers('hard', 1, 5), ...answers('easy', 4, 1), ...answers('even', 2, 2)]
  const rows = judgeTrainingRows(known, { ...JUDGE, seed: 1, truncated: 0, misplaced: 0 })
  const of = (question: string, label: string) =>
    rows.filter((row) => shown(row).startsWith(`Q: ${question}\n`) && row.completion === label).length
  for (const [question, count] of Object.entries({ hard: 5, easy: 4, even: 2 })) {
    assert.deepEqual([of(question, 'Yes'), of(question, 'No')], [count, count], question)
  }
})

test('what the rarer kind still lacks over all comes from all of its rows alike, not from those repeated already', () => {
  // Within `hard` its right answer comes 8 times; with the one of `easy` there are 9 for 18 wrong ones. Nine more are due.
  const known = [...answers('hard', 1, 8), ...answers('easy', 1, 0), ...answers('hopeless', 0, 10)]
  const rows = judgeTrainingRows(known, { ...JUDGE, seed: 1, truncated: 0, misplaced: 0 })
  const right = rows.filter(({ completion }) => completion === 'Yes')
  assert.deepEqual([right.length, rows.length], [18, 36])
  const ofEasy = right.filter((row) => shown(row).startsWith('Q: easy\n')).length
  assert.ok(ofEasy === 1 + 4 || ofEasy === 1 + 5, `${ofEasy}`)
})

test('a verdict that is very rare is not repeated without end', () => {
  const rows = judgeTrainingRows(graded(1, 100), { ...JUDGE, seed: 1, truncated: 0, misplaced: 0 })
  assert.equal(rows.length, 16)
})

test('right answers come again without their ends, as No, and make up their share of the wrong ones', () => {
  const rows = judgeTrainingRows(graded(100, 80), { ...JUDGE, seed: 1, truncated: 0.2, misplaced: 0 })
  const cut = rows.filter((row) => row.completion === 'No' && !/#### \d+$/.test(answerOf(row)))
  const share = cut.length / rows.filter(({ completion }) => completion === 'No').length
  assert.ok(share > 0.17 && share < 0.23, `${share}`)
  assert.ok(cut.every((row) => answerOf(row).startsWith('so')))
  assert.ok(rows.every((row) => row.completion === 'No' || /#### \d+$/.test(answerOf(row))))
})

test('an answer of two words is cut to its first', () => {
  const two = [true, false].map((correct) => ({ question: 'q', answer: correct ? 'is four' : 'is five', correct }))
  const rows = judgeTrainingRows(two, { ...JUDGE, seed: 1, truncated: 0.5, misplaced: 0 })
  assert.ok(rows.some((row) => answerOf(row) === 'is' && row.completion === 'No'))
})

test('an answer is cut after any of its words but the last; one of a single word is not, nor is it ever taught as wrong', () => {
  const rows = judgeTrainingRows(graded(100, 80), { ...JUDGE, seed: 1, truncated: 0.5, misplaced: 0 })
  const words = (row: Parameters<typeof answerOf>[0]) => answerOf(row).split(' ').length
  const cut = rows.filter((row) => row.completion === 'No' && answerOf(row).startsWith('so'))
  assert.deepEqual([...new Set(cut.map(words))].sort(), [1, 2, 3, 4, 5])
  const single = [
    ...Array.from({ length: 20 }, (_, i) => ({ question: `q${i}`, answer: `right${i}`, correct: true })),
    ...Array.from({ length: 20 }, (_, i) => ({ question: `q${i}`, answer: `wrong${i}`, correct: false })),
  ]
  for (const row of judgeTrainingRows(single, { ...JUDGE, seed: 1, truncated: 0.5, misplaced: 0 })) {
    assert.equal(row.completion, answerOf(row).startsWith('right') ? 'Yes' : 'No')
  }
})

test('right answers come again under other questions, as No: as they stand, and after their own question', () => {
  const rows = judgeTrainingRows(graded(100, 80), { ...JUDGE, seed: 1, truncated: 0, misplaced: 0.2 })
  const refused = rows.filter(({ completion }) => completion === 'No')
  const misplaced = refused.filter((row) => answerOf(row).includes('so it is'))
  const share = misplaced.length / refused.length
  assert.ok(share > 0.17 && share < 0.23, `${share}`)
  const withQuestion = misplaced.filter((row) => /^q\d+\nso it is/.test(answerOf(row)))
  assert.ok(Math.abs(withQuestion.length - misplaced.length / 2) <= 2, `${withQuestion.length}`)
  for (const row of misplaced) {
    const [, asked] = /^Q: q(\d+)\n/.exec(shown(row))!
    const [, solved] = /#### (\d+)$/.exec(answerOf(row))!
    assert.notEqual(asked, solved)
    assert.ok(answerOf(row) === `so it is ${solved} #### ${solved}` || answerOf(row).startsWith(`q${solved}\n`))
  }
  const one = [true, false].map((correct) => ({ question: 'q', answer: `${correct}`, correct }))
  assert.equal(judgeTrainingRows(one, { ...JUDGE, seed: 1, truncated: 0, misplaced: 0.5 }).length, 2)
})

test('a fifth of the wrong answers are cut ones and a tenth misplaced ones, unless other shares are wanted', () => {
  const rows = graded(100, 80)
  assert.deepEqual(
    judgeTrainingRows(rows, { ...JUDGE, seed: 1 }),
    judgeTrainingRows(rows, { ...JUDGE, seed: 1, truncated: 0.2, misplaced: 0.1 }),
  )
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
