import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('readiness is that of the database and of the object store, and says which does not answer', async () => {
  const app = await testApp()
  const { database, blobs } = app.deps
  const [ping, head] = [database.ping, blobs.head]
  const down = () => Promise.reject(new Error('gone'))
  const says = async () => (await app.json('/readyz', { key: null }, 503)).error
  assert.deepEqual(await app.json('/readyz', { key: null }), { status: 'ok' })
  database.ping = down
  assert.deepEqual([(await says()).code, /The database does not answer/.test((await says()).message)], ['storage_unavailable', true]) // prettier-ignore
  database.ping = ping
  blobs.head = down
  assert.match((await says()).message, /The object store does not answer/)
  assert.deepEqual(await app.json('/livez', { key: null }), { status: 'ok' })
  blobs.head = head
  assert.deepEqual(await app.json('/readyz', { key: null }), { status: 'ok' })
  app.close()
})
