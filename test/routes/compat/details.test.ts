/** Details of dialects that no client's own recorded requests show. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ScoredItem } from '../../../src/core/judges/score-items.ts'
import { ranked } from '../../../src/routes/compat/judge-texts.ts'
import { compatApp, type CompatApp } from './compat-app.ts'

let app: CompatApp
before(async () => {
  app = await compatApp()
})
after(() => app.close())
const refused = async (path: string, json: unknown, status: number) => (await app.json(path, { json }, status)).error

test('a ranking is best first, equals in their order, and without what got no score', () => {
  const scored = (probability: number) => ({ outcome: 'scored', probability, labelMass: 1 }) as ScoredItem
  const failed = { outcome: 'failed', reason: 'x' } as ScoredItem
  const all = [scored(0.2), failed, scored(0.9), scored(0.2), scored(0.5)]
  const places = (topN: number) => ranked(all, topN).map(({ index }) => index)
  assert.deepEqual([places(0), places(2), places(9)], [[2, 4, 0, 3], [2, 4], [2, 4, 0, 3]]) // prettier-ignore
})

describe('questions about a conversation', () => {
  const ask = async (input: unknown) => {
    app.calls.length = 0
    await app.json('/v1/decisions', {
      json: { model: 'j', input, questions: [{ type: 'predicate', instructions: 'Is it?' }] },
    })
    return /<decision_material>\n([^]*?)\n<\/decision_material>/.exec(app.calls.flat()[0]!)![1]
  }

  test('one message of a user is its text; others are named by their speakers', async () => {
    assert.equal(await ask([{ content: 'alone' }]), 'alone')
    assert.equal(await ask([{ role: 'assistant', content: 'said' }]), 'assistant: said')
    assert.equal(await ask([{ role: 'user', content: 'a' }, { content: 'b' }]), 'user: a\n\nuser: b')
  })

  test('parts of text stand on lines of their own; a call and its output are shown as they are', async () => {
    const parts = [
      { type: 'input_text', text: 'one' },
      { type: 'input_text', text: 'two' },
    ]
    assert.equal(await ask([{ role: 'user', content: parts }]), 'one\ntwo')
    const call = { type: 'function_call_output', call_id: 'c', output: 'sunny' }
    assert.equal(await ask([{ role: 'user', content: 'a' }, call]), `user: a\n\n${JSON.stringify(call)}`)
  })

  test('a judge that fails is told of at most 500 characters’ worth; an abstention has no probabilities', async () => {
    const question = { type: 'predicate', instructions: 'boom?' }
    const error = await refused('/v1/decisions', { model: 'j', input: 'x', questions: [question] }, 502)
    assert.deepEqual([error.code, error.param], ['judge_unreachable', 'questions[0]'])
    assert.match(error.message, /for `questions\[0\]`: the provider answered 500\. Send the request again/)
  })
})

test('what systemone asks about has to be given', async () => {
  const json = { model: 'j', questions: { a: { instructions: 'q', type: 'noul' } } }
  const error = await refused('/v1/systemone', json, 400)
  assert.deepEqual([error.code, error.param], ['invalid_request', 'state'])
})

test('a gold answer that cannot be compared is named by the column it was read from', async () => {
  const json = (column: string) => ({
    prompts: ['q'],
    completions: ['#### 5'],
    columns: { [column]: ['as many as John'] },
  })
  const byDefault = await refused('/compat/trl/both', json('answer'), 422)
  assert.equal(byDefault.param, 'columns.answer[0]')
  const named = await refused('/compat/trl/both?answer=gold', json('gold'), 422)
  assert.equal(named.param, 'columns.gold[0]')
})

test('a sum of what NeMo-Gym verified: by task where a task is named, and no mean of nothing', async () => {
  const sum = (rows: object[]) =>
    app.json('/compat/nemo-gym/both/aggregate_metrics', { json: { verify_responses: rows } })
  const rows = [{ _ng_task_index: 0, reward: 1 }, { _ng_task_index: 0, reward: 0 }, { reward: 0.5 }]
  const { group_level_metrics, agent_metrics, key_metrics } = await sum(rows)
  assert.deepEqual(group_level_metrics.map((one: { _ng_task_index: number }) => one._ng_task_index), [0]) // prettier-ignore
  assert.deepEqual([agent_metrics['mean/reward'], key_metrics], [0.5, { 'mean/reward': 0.5 }])
  assert.deepEqual((await sum([])).key_metrics, {})
})

test('a name in a URL that is neither recipe nor judge is looked for as a recipe and as a judge', async () => {
  const error = await refused('/compat/trl/nobody', { prompts: ['q'], completions: ['a'] }, 404)
  assert.deepEqual([error.code, error.param], ['not_found', 'reward'])
  assert.match(error.message, /no reward recipe and no judge "nobody"/)
})

test('resources begin with what all have: id, kind, name and time', async () => {
  await app.json('/v1/models', { json: { name: 'm', source: { type: 'local', path: '/m' } } })
  const key = await app.json('/v1/keys', { json: { name: 'mine', scopes: ['judge'] } })
  assert.equal(key.name, 'mine')
  for (const [path, object, name] of [['/v1/models/m', 'model', 'm'], ['/v1/recipes/both', 'reward', 'both'], ['/v1/judges/j', 'judge', 'j']] as const) {
    const shown = await app.json(path)
    assert.deepEqual([shown.object, shown.name, shown.created_at], [object, name, 1_767_225_600], path)
    assert.match(shown.id, new RegExp(`^${object}_\\w{24}$`))
  } // prettier-ignore
  const { id } = await app.json('/v1/judges/unread')
  assert.deepEqual(await app.json('/v1/judges/unread', { method: 'DELETE' }), { id, object: 'judge', deleted: true })
  const list = await app.json('/v1/models')
  assert.deepEqual([list.object, list.data.length, list.has_more], ['list', 1, false])
})
