/** What holds of every route alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../src/routes/app.ts'
import { unitsOf } from '../../src/routes/http/route.ts'
import { testApp } from '../helpers/test-app.ts'

const filled = (path: string) => path.replace(/:\w+\??(\{[^}]*\})?/g, 'x')
/** Open to all: they say that the server lives, and what it offers. */
const isOpen = (path: string) => /^\/(livez|readyz|openapi\.json|docs|compat\/\w+\/:judge\/health)$/.test(path)

test('every route asks for a key of its scope, but for those that tell of the server itself', async () => {
  const app = await testApp()
  const { key } = await app.json('/v1/keys', { json: { scopes: ['metrics'] } })
  for (const { method, path, scope } of ROUTES) {
    const ask = async (asking: string | null) => {
      const body = method === 'GET' ? undefined : '{}'
      const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await app.request(filled(path), { method, key: asking, headers, ...(body && { body }) })
      await response.body?.cancel()
      return response.status
    }
    if (scope === null) {
      assert.ok(isOpen(path), `${method} ${path} is open to all`)
      continue
    }
    assert.equal(await ask(null), 401, `${method} ${path} without a key`)
    if (scope !== 'metrics') assert.equal(await ask(key), 403, `${method} ${path} with a key of another scope`)
  }
  app.close()
})

test('dialects are for keys that judge, take them in the path, and stand under one heading', () => {
  const dialects = ROUTES.filter(({ path }) => path.startsWith('/compat/') && !isOpen(path))
  assert.ok(dialects.length > 20)
  for (const { path, scope, tag, pathToken } of dialects)
    assert.deepEqual([scope, tag, pathToken], ['judge', 'Compatibility', true], path)
})

test('a request counts on its key’s rate as what is to be scored, whatever else it lists', () => {
  const many = [1, 2, 3]
  const nested = { x: many }
  const chat = { id: 1, messages: many.map(() => ({ role: 'user', content: 'q' })) }
  const counted: Record<string, [body: object, units: number][]> = {
    awsLambdaRewards: [
      [[chat, chat], 2],
      [{ batch: [chat, chat] }, 2],
      [{ input: chat }, 1],
      [{ input: [chat] }, 1],
      [{ body: JSON.stringify([chat, chat]) }, 2],
    ],
    createDecisions: [[{ input: many, questions: [nested, nested] }, 2]],
    createSystemOne: [[{ state: many, questions: { a: nested, b: nested } }, 2]],
    nemoGymAggregateMetrics: [[{ verify_responses: many }, 1]],
    nemoGymVerify: [[{ responses_create_params: { input: many }, response: { output: many }, any: many }, 1]],
    runGrader: [
      [{ grader: { type: 'multi', graders: { a: { type: 'string_check' }, b: { type: 'string_check' } } } }, 2],
      [{ grader: { type: 'label_model', name: 'l', labels: many }, item: many }, 1],
    ],
    sglangClassify: [[{ messages: many }, 1]],
    sglangDecisions: [[{ input: many, questions: [nested, nested] }, 2]],
    sglangScore: [[{ query: many, items: ['a', 'b'], label_token_ids: many }, 2]],
    slimeReward: [[{ prompt: many, response: 'a' }, 1]],
    teiPredict: [
      [{ inputs: ['question', 'answer'] }, 1],
      [{ inputs: 'chat' }, 1],
      [{ inputs: [['question', 'answer'], ['chat']] }, 2],
    ],
    vllmClassify: [
      [{ input: ['a', 'b'] }, 2],
      [{ input: 'text' }, 1],
      [{ messages: many }, 1],
    ],
    vllmGenerativeScoring: [
      [{ query: many, items: ['a', 'b'], label_token_ids: many }, 2],
      [{ query: 'q', items: 'text', label_token_ids: many }, 1],
    ],
  }
  const counting = ROUTES.filter(({ items }) => items)
  assert.deepEqual(counting.map(({ operationId }) => operationId).sort(), Object.keys(counted))
  for (const route of counting)
    for (const [body, units] of counted[route.operationId]!)
      assert.equal(unitsOf(route, body), units, `${route.operationId} ${JSON.stringify(body)}`)
})

test('a path with a slash at its end is the same; another method is told which ones there are', async () => {
  const app = await testApp()
  assert.deepEqual(await app.json('/v1/judges/'), await app.json('/v1/judges'))
  const response = await app.request('/v1/judges', { method: 'PUT', body: '{}' })
  assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST, GET, HEAD'])
  assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'method_not_allowed')
  const long = await app.json(`/v1/${'x'.repeat(300)}`, {}, 404)
  assert.ok(long.error.message.includes(` GET /v1/${'x'.repeat(196)}. `))
  const secret = await app.json('/t/gvl_secret/nowhere', {}, 404)
  assert.ok(secret.error.message.includes('/t/…/nowhere') && !secret.error.message.includes('gvl_secret'))
  app.close()
})

test('what cannot work is refused when it is made: a recipe whose verifier has no sound options', async () => {
  const app = await testApp()
  const verifier = { type: 'json_schema', schema: { type: 'nonsense' } }
  await app.json('/v1/recipes', { json: { name: 'r', lambda: 1, verifier } }, 422)
  assert.deepEqual((await app.json('/v1/recipes')).data, [])
  app.close()
})

test('a server that keeps no metrics says so, to the operator alone', async () => {
  const app = await testApp()
  const { error } = await app.json('/metrics', {}, 422)
  assert.equal(error.code, 'unavailable_here')
  app.close()
})

test('what is deleted is named, with its kind, and is gone', async () => {
  const app = await testApp()
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  const kinds: [string, string, object][] = [
    ['/v1/recipes', 'reward', { name: 'r', lambda: 1, verifier: 'math' }],
    ['/v1/models', 'model', { name: 'm', source: { type: 'local', path: '/m' } }],
    ['/v1/judges', 'judge', { name: 'j', provider }],
    ['/v1/datasets', 'dataset', { prompt: 'p' }],
  ]
  for (const [path, object, json] of kinds) {
    const headers = { 'content-type': object === 'dataset' ? 'application/jsonl' : 'application/json' }
    const { id } = await app.json(path, { body: JSON.stringify(json), headers })
    assert.deepEqual(await app.json(`${path}/${id}`, { method: 'DELETE' }), { id, object, deleted: true })
    await app.json(`${path}/${id}`, {}, 404)
    assert.deepEqual((await app.json(path)).data, [])
  }
  app.close()
})
