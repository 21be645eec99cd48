import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase, testApp } from '../helpers/test-app.ts'

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

test('what the database says in our words is answered in them, such as that its disk is full', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-full-'))
  const { database, sqlite, close } = await openDatabase(join(folder, 'gavel.sqlite'))
  const api = await testApp({ database })
  const [[pages]] = (await sqlite.prepare('PRAGMA page_count').raw()) as [[number]]
  sqlite.exec(`PRAGMA max_page_count = ${pages + 2}`)
  const model = { name: 'm', source: { type: 'local', path: `/${'x'.repeat(200)}` } }
  let response = await api.request('/v1/models', { json: model })
  for (let i = 0; i < 200 && response.status === 200; i++) response = await api.request('/v1/models', { json: model })
  assert.equal(response.status, 507)
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  assert.deepEqual(
    [error.code, error.message],
    ['disk_full', 'The disk of the database is full; make room and send the request again.'],
  )
  api.close()
  close()
  rmSync(folder, { recursive: true })
})
