/** OpenAI's Decisions, figure by figure. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const { refused } = app

describe("OpenAI's decisions, figure by figure", () => {
  const decide = (questions: object[], input: unknown = 'pick=1') =>
    app.json('/v1/decisions', { json: { model: 'j', input, questions } })

  test('tokens are counted, none of them as cached or thought', async () => {
    const { usage } = await decide([{ type: 'predicate', instructions: 'counted?' }])
    assert.deepEqual(usage, {
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: 1,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 10,
    })
  })

  test('answers carry the names of their questions; unnamed ones may be many', async () => {
    const levels = [{ label: 'bad' }, { label: 'good' }]
    const choices = [{ value: 'a' }, { value: 'b' }]
    const { answers } = await decide([
      { type: 'predicate', instructions: 'q' },
      { type: 'predicate', instructions: 'q', name: null },
      { type: 'score', instructions: 'q', levels, name: 's' },
      { type: 'choice', instructions: 'q', choices, name: 'c' },
    ])
    assert.deepEqual(answers.map(({ name }: { name: string | null }) => name), [null, null, 's', 'c']) // prettier-ignore
    const [, , score, choice] = answers
    assert.ok(close(score.score, YES) && close(score.confidence, YES))
    assert.deepEqual([choice.choice, choice.probabilities[1].value], ['b', 'b'])
    assert.ok(close(choice.confidence, YES) && close(choice.probabilities[0].probability, 2 / 9))
    const silent = await decide([{ type: 'predicate', instructions: 'q', name: 'n' }], 'nothing')
    assert.deepEqual(silent.answers, [{ type: 'refusal', name: 'n' }])
  })

  test('a name that is given twice is named by its first hundred characters', async () => {
    const twice = { type: 'predicate', instructions: 'q', name: `${'n'.repeat(100)}mm` }
    const json = { model: 'j', input: 'x', questions: [twice, twice] }
    const error = await refused('/v1/decisions', json, 422)
    assert.equal(error.message, `\`questions[1].name\` "${'n'.repeat(100)}" is that of another question; give each its own.`) // prettier-ignore
  })

  test('what choices and levels mean is shown; of instructions, parts that are no text as JSON', async () => {
    const shown = async (question: object) => {
      app.calls.length = 0
      await decide([question])
      return app.calls.flat()[0]!.split('</decision_material>\n\n').at(-1)
    }
    const reply = 'Reply with exactly one letter: A, B.'
    const choices = [{ value: 'red', description: 'warm' }, { value: true }]
    assert.equal(await shown({ type: 'choice', instructions: 'Which?', choices }), `Which?\n\nA. red: warm\nB. true\n\n${reply}`) // prettier-ignore
    const levels = [{ label: 'bad' }, { label: 'good', description: 'fine' }]
    assert.equal(await shown({ type: 'score', instructions: 'How?', levels }), `How?\n\nA. bad\nB. good: fine\n\n${reply}`) // prettier-ignore
    const instructions = [{ type: 'input_text', text: 'So?' }, { type: 'input_json', json: { a: 1 } }] // prettier-ignore
    const words = 'Reply with exactly one word: Yes or No.'
    assert.equal(await shown({ type: 'predicate', instructions }), `Is the following true? So?\n{"type":"input_json","json":{"a":1}}\n\n${words}`) // prettier-ignore
    const image = { type: 'predicate', instructions: [{ type: 'input_image', image_url: 'x' }] }
    assert.equal((await refused('/v1/decisions', { model: 'j', input: 'x', questions: [image] }, 422)).param, 'questions[0].instructions[0]') // prettier-ignore
  })
})

test('what stands in a list of messages but is no text of theirs is told from an image', async () => {
  const output = [{ type: ['image'] }, null, { type: 'input_text', text: 'sunny' }]
  const input = [{ type: 'function_call_output', call_id: 'c', output }]
  const questions = [{ type: 'predicate', instructions: 'Is it?' }]
  assert.equal(
    (await app.json('/v1/decisions', { json: { model: 'j', input, questions } })).answers[0].type,
    'predicate',
  )
})
