import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../../helpers/test-app.ts'

test('a key that is not let in is told where it stood and what would do', async () => {
  const app = await testApp()
  const error = async (path: string, key: string | null, status: number) =>
    (await app.json(path, { key, ...(path.startsWith('/t/') && { json: {} }) }, status)).error
  const { key: plain } = await app.json('/v1/keys', { json: { scopes: ['judge'] } })
  const none = await error('/v1/jobs', null, 401)
  assert.deepEqual([none.code, none.param], ['unauthorized', 'Authorization'])
  assert.match(none.message, /There is no API key/)
  const unknown = await error('/v1/jobs', 'gvl_wrong', 401)
  assert.equal(unknown.param, 'Authorization')
  assert.match(unknown.message, /^The API key is unknown or revoked/)
  for (const token of ['gvl_wrong', plain, 'admin-key']) {
    const inPath = await error(`/t/${token}/compat/trl/x`, null, 401)
    assert.equal(inPath.param, 'token')
    assert.match(inPath.message, /^The key in the URL is unknown, revoked, or not made to stand in a URL/)
  }
  const narrow = await error('/v1/jobs', plain, 403)
  assert.deepEqual([narrow.code, narrow.param], ['forbidden', 'Authorization'])
  assert.match(narrow.message, /needs the scope `train` and has judge\.$/)
  app.close()
})

test('every answer has the id of its request: its own where it brings a plain one, else a new one', async () => {
  const app = await testApp()
  const idOf = async (given?: string) => {
    const response = await app.request('/livez', { headers: given === undefined ? {} : { 'x-request-id': given } })
    return response.headers.get('x-request-id')!
  }
  assert.equal(await idOf('my-id_1'), 'my-id_1')
  assert.equal(await idOf('x'.repeat(128)), 'x'.repeat(128))
  for (const strange of [undefined, 'x'.repeat(129), 'a b', 'a"b']) assert.match(await idOf(strange), /^req_\w{24}$/)
  assert.notEqual(await idOf(), await idOf())
  app.close()
})
