import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('a failure of our own is a 500 without its insides, logged under the request id', async () => {
  const logged: [string, string][] = []
  const api = await testApp({ logError: (error, id) => logged.push([(error as Error).message, id]) })
  api.deps.database.models.list = () => Promise.reject(new Error('secret insides at /srv/gavel.ts:3'))
  const response = await api.request('/v1/models', { headers: { 'x-request-id': 'abc' } })
  const text = await response.text()
  assert.equal(response.status, 500)
  assert.ok(!text.includes('insides') && JSON.parse(text).error.code === 'internal')
  assert.deepEqual(logged, [['secret insides at /srv/gavel.ts:3', 'abc']])
  assert.equal(response.headers.get('x-request-id'), 'abc')
  api.close()
})
