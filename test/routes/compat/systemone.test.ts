/** System One, figure by figure. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()

describe('System One, figure by figure', () => {
  const ask = (questions: object, status = 200) =>
    app.json('/v1/systemone', { json: { model: 'j', state: 'pick=1', questions } }, status)

  test('what true and false mean is shown; tokens are counted as read, none as written', async () => {
    app.calls.length = 0
    const criteria = { true: 'it is', false: 'it is not' }
    const { usage, answers } = await ask({ n: { type: 'noul', instructions: 'Right?', criteria } })
    assert.deepEqual(usage, { input_tokens: 9, output_tokens: 0 })
    assert.ok(close(answers.n.noul, 2 / 9))
    assert.match(
      app.calls.flat()[0]!,
      /Right\?\n\nYes: it is\nNo: it is not\nReply with exactly one word: Yes or No\.$/,
    )
  })

  test('probabilities stand under their names, the likeliest is the choice', async () => {
    const { answers } = await ask({
      c: { type: 'choice', instructions: 'Which?', criteria: { red: 'warm', blue: null } },
      s: { type: 'score', instructions: 'How?', criteria: ['bad', 'fair', 'good'] },
    })
    assert.equal(answers.c.choice, 'blue')
    assert.ok(close(answers.c.probabilities.red, 2 / 9) && close(answers.c.confidence, YES))
    assert.deepEqual(Object.keys(answers.s.probabilities), ['0', '1', '2'])
    assert.ok(close(answers.s.score, (YES * 9 + 2) / 9) && close(answers.s.confidence, YES))
    assert.match(app.calls.at(-1)!.join(), /Which\?\n\nA\. red: warm\nB\. blue\n/)
  })

  test('a question is named by the first hundred characters of its id', async () => {
    const id = `${'i'.repeat(100)}jj`
    const { error } = await ask({ [id]: { type: 'boolean', instructions: 'boom' } }, 502)
    assert.equal(error.param, `questions.${'i'.repeat(100)}`)
  })

  test('there are 1 to 400 questions', async () => {
    const questions = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`q${i}`, { type: 'boolean', instructions: `${i}` }]))
    assert.equal(Object.keys((await ask(questions(400))).answers).length, 400)
    assert.equal((await ask(questions(401), 422)).error.param, 'questions')
    assert.equal((await ask({}, 422)).error.param, 'questions')
  })
})
