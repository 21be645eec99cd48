/** Labels that are given as token ids. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const question = 'What is 2 + 3?'

describe('labels by their token ids', () => {
  const ask = (label_token_ids: number[], more: object = {}) =>
    app.json('/compat/sglang/j/v1/score', { json: { query: question, items: ['5', '6'], label_token_ids, apply_softmax: true, ...more } }) // prettier-ignore

  test('are in the order that they are given in, whichever spelling is', async () => {
    for (const yes of [9454, 7414]) {
      const { scores } = await ask([yes, 2753])
      assert.ok(close(scores[0][0], YES) && close(scores[0][1], 2 / 9) && close(scores[1][0], 2 / 9))
      const swapped = (await ask([2753, yes])).scores
      assert.ok(close(swapped[0][0], 2 / 9) && close(swapped[0][1], YES))
    }
    const { scores } = await ask([9454, 2753], { items: '5' })
    assert.equal(scores.length, 1)
    assert.deepEqual((await ask([9454, 2753], { items: [] })).scores, [])
  })
})
