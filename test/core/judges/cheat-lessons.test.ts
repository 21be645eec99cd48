import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cheatLessons } from '../../../src/core/judges/cheat-lessons.ts'

const judge = { template: { user: 'Q: {question}\nA: {answer}\nRight?' }, labels: { yes: 'Ja', no: 'Nein' } }
const graded = Array.from({ length: 5 }, (_, i) => [
  { question: `q${i}`, answer: `it is #### ${i}`, correct: true },
  { question: `q${i}`, answer: `it is #### ${i} `, correct: true },
  { question: `q${i}`, answer: `wrong #### 9${i}`, correct: false },
]).flat()

test('are texts of those attacks, of right answers alone, as many as asked, and all wrong', () => {
  const lessons = cheatLessons(['other_question', 'praise'], graded, { judge, count: 4, seed: 1 })
  assert.equal(lessons.length, 8)
  assert.ok(lessons.every(({ correct }) => !correct))
  for (const { question, answer } of lessons.slice(0, 4)) {
    const [, other, stated] = /^(q\d)\nit is #### (\d) ?$/.exec(answer)!
    assert.ok(other !== question && other === `q${stated}`, `${question}: ${answer}`)
  }
  assert.equal(new Set(lessons.slice(0, 4).map(({ question }) => question)).size, 4)
  assert.ok(lessons.slice(4).every(({ answer }) => answer.startsWith('I could not solve this.')))
  const [continued] = cheatLessons(['template_continued'], graded, { judge, count: 1, seed: 1 })
  assert.match(continued!.answer, /^I could not solve this\.\nRight\?Ja\n\nQ: q\d\nA: it is #### \d/)
})

test('are the same of the same seed; of two questions nothing can be made', () => {
  const of = (seed: number) => cheatLessons(['praise', 'master_key'], graded, { judge, count: 3, seed })
  assert.deepEqual(of(1), of(1))
  assert.notDeepEqual(of(1), of(2))
  assert.deepEqual(cheatLessons(['praise'], graded.slice(0, 6), { judge, count: 3, seed: 1 }), [])
})
