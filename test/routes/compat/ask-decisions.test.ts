/** What is told of a judge that answers no question. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { failingApp } from './failing-app.ts'

test('of what a provider said, 500 characters are told', async () => {
  const broken = await failingApp(new Error('x'.repeat(600)))
  const ask = async (path: string, json: object, status: number) => (await broken.json(path, { json }, status)).error
  const decision = { model: 'j', input: 'i', questions: [{ type: 'predicate', instructions: 'q' }] }
  const { message } = await ask('/v1/decisions', decision, 502)
  assert.equal(message, `The judge could not be had for \`questions[0]\`: ${'x'.repeat(500)}. Send the request again: what it answered is kept.`) // prettier-ignore
  assert.equal(await ask('/compat/tei/j/predict', { inputs: ['q', 'a'] }, 424), `The judge failed on all of \`inputs\`: ${'x'.repeat(500)}`) // prettier-ignore
  broken.close()

  const long = await failingApp(new GavelError('prompt_too_long', 'y'.repeat(600)))
  const refusedFor = async (path: string, json: object) => (await long.json(path, { json }, 422)).error
  const refusal = await refusedFor('/v1/decisions', decision)
  assert.deepEqual([refusal.code, refusal.param], ['prompt_too_long', 'questions[0]'])
  assert.equal(refusal.message, `\`questions[0]\`: ${'y'.repeat(500)}.`)
  assert.equal(await refusedFor('/compat/tei/j/rerank', { query: 'q', texts: ['a'] }), `\`texts\`: ${'y'.repeat(500)}.`)
  long.close()
})
