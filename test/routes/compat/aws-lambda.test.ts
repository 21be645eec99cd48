/** AWS Lambda, detail by detail. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const { refused } = app
const question = 'What is 2 + 3?'

describe('AWS Lambda, detail by detail', () => {
  const messages = [
    { role: 'user', content: question },
    { role: 'assistant', content: 'I say that it is 5.' },
  ]
  const path = '/compat/aws-lambda/both'
  const reward = async (more: object) => (await app.json(path, { json: [{ id: 7, messages, ...more }] }))[0]

  test('the gold answer of the row goes before that of its metadata; without one the judge decides alone', async () => {
    assert.ok(close((await reward({ reference_answer: '5' })).aggregate_reward_score, (1 + YES) / 2))
    const both = { reference_answer: '5', metadata: { reference_answer: 'no number at all' } }
    assert.ok(close((await reward(both)).aggregate_reward_score, (1 + YES) / 2))
    for (const metadata of [undefined, null, 'text', {}, { other: 1 }]) {
      const { id, aggregate_reward_score, metrics_list } = await reward({ metadata })
      assert.ok(id === '7' && close(aggregate_reward_score, YES))
      assert.deepEqual(metrics_list.map(({ name }: { name: string }) => name), ['judge', 'unscored']) // prettier-ignore
    }
    const wrong = async (more: object) => (await refused(path, [{ id: 7, messages, ...more }], 422)).param
    assert.equal(await wrong({ reference_answer: 'no number at all' }), '[0].reference_answer')
    assert.equal(await wrong({ metadata: { reference_answer: 'no number at all' } }), '[0].metadata.reference_answer')
  })

  test('of an event’s body, what is wrong is said as of JSON that was sent by itself', async () => {
    const body = async (value: unknown) => refused(path, { body: typeof value === 'string' ? value : JSON.stringify(value) }, 422) // prettier-ignore
    const broken = await body('{')
    assert.deepEqual([broken.code, broken.param], ['unprocessable', 'body'])
    assert.equal(broken.message, '`body` is not valid JSON; give the rows as JSON text.')
    const deep = JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown
    assert.match((await body([{ id: 1, messages, metadata: deep }])).message, /nested more than 32 levels/)
    const nameless = await body([{ messages }])
    assert.deepEqual([nameless.code, nameless.param], ['unprocessable', '[0].id'])
    assert.match(nameless.message, /^In `body`: `\[0\]\.id` /)
  })
})
