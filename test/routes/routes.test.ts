/** What holds of every route alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../src/routes/app.ts'
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
  ]
  for (const [path, object, json] of kinds) {
    const { id } = await app.json(path, { json })
    assert.deepEqual(await app.json(`${path}/${id}`, { method: 'DELETE' }), { id, object, deleted: true })
    await app.json(`${path}/${id}`, {}, 404)
    assert.deepEqual((await app.json(path)).data, [])
  }
  app.close()
})
