/** OpenAI's graders, figure by figure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compatAppOfFile } from './compat-app.ts'

const app = await compatAppOfFile()

test('a grader that asks a judge holds none of the key’s budget when it is done', async () => {
  const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'], budget: { items: 3, per: 'day' } } })
  const labels = { type: 'label_model', name: 'l', model: 'j', labels: ['bad', 'good'], passing_labels: ['good'] }
  const grade = (text: string, status = 200) => {
    const grader = { ...labels, input: [{ role: 'user', content: text }] }
    return app.json('/v1/fine_tuning/alpha/graders/run', { key, json: { grader, model_sample: 'x' } }, status)
  }
  for (const text of ['held once pick=1', 'held twice pick=1', 'held thrice pick=1']) assert.equal((await grade(text)).reward, 1) // prettier-ignore
  assert.equal((await grade('held too often', 429)).error.code, 'budget_spent')
})

test('a graded sample is told of in full: its name, time, tokens, judge, scores and errors', async () => {
  const check = { type: 'string_check', name: 'same', input: '{{sample.output_text}}', reference: 'a', operation: 'eq' }
  const run = (grader: object, model_sample = 'a') =>
    app.json('/v1/fine_tuning/alpha/graders/run', { json: { grader, model_sample } })
  const plain = await run(check)
  const { errors, ...metadata } = plain.metadata
  assert.deepEqual(metadata, { name: 'same', type: 'string_check', execution_time: 0, token_usage: null, sampled_model_name: null, scores: { same: 1 } }) // prettier-ignore
  assert.ok(Object.values(errors).every((error) => error === false || error === null))
  assert.deepEqual([plain.reward, plain.sub_rewards, plain.model_grader_token_usage_per_model], [1, {}, {}])
  const judged = (name: string, text: string) => ({ type: 'score_model', name, model: 'j', input: [{ role: 'user', content: text }] }) // prettier-ignore
  const failed = await run(judged('f', 'told in full boom'))
  assert.deepEqual([failed.reward, failed.metadata.scores], [0, {}])
  assert.match(failed.metadata.errors.model_grader_server_error_details, /500/)
  assert.equal(failed.metadata.errors.python_grader_runtime_error_details, null)
  const flags = Object.entries(failed.metadata.errors).filter(([, value]) => value === true)
  assert.deepEqual(flags.map(([name]) => name), ['model_grader_server_error']) // prettier-ignore
  const both = { type: 'multi', name: 'm', graders: { s: check, t: judged('t', 'told in full pick=9') }, calculate_output: 's' } // prettier-ignore
  const several = await run(both)
  assert.deepEqual(several.metadata.scores, several.sub_rewards)
  assert.deepEqual([several.metadata.token_usage, several.metadata.sampled_model_name], [10, 'j'])
  const { now } = app.deps.clock
  let time = 0
  app.deps.clock.now = () => (time += 250)
  const slow = await run(check)
  app.deps.clock.now = now
  assert.ok(slow.metadata.execution_time >= 0.25 && slow.metadata.execution_time < 10)
})
