import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../src/core/errors.ts'
import { openDatabase, testApp } from '../helpers/test-app.ts'

test('readiness is that of the database and of the object store, and says which does not answer', async () => {
  const app = await testApp()
  const { database, blobs } = app.deps
  const [probe, put] = [database.probe, blobs.put]
  const down = () => Promise.reject(new Error('gone'))
  const ready = async (status: number) => {
    app.clock.time += 5000
    return app.json('/readyz', { key: null }, status)
  }
  assert.deepEqual(await ready(200), { status: 'ok' })
  database.probe = down
  const { error } = await ready(503)
  assert.deepEqual([error.code, /The database does not answer/.test(error.message)], ['storage_unavailable', true])
  database.probe = probe
  blobs.put = down
  assert.match((await ready(503)).error.message, /The object store does not answer/)
  assert.deepEqual(await app.json('/livez', { key: null }), { status: 'ok' })
  blobs.put = () => Promise.reject(new GavelError('disk_full', 'full'))
  assert.match((await ready(507)).error.message, /The object store has no room/)
  blobs.put = put
  assert.deepEqual(await ready(200), { status: 'ok' })
  app.close()
})

test('a probe is made every five seconds at most, and not believed from a clock that was put back', async () => {
  const app = await testApp()
  const { database } = app.deps
  const { probe } = database
  let probes = 0
  database.probe = () => {
    probes++
    return probe()
  }
  for (const ms of [0, 1000, 3999]) {
    app.clock.time += ms
    await app.json('/readyz', { key: null })
  }
  assert.equal(probes, 1)
  app.clock.time += 1
  await app.json('/readyz', { key: null })
  app.clock.time -= 3600_000
  await app.json('/readyz', { key: null })
  assert.equal(probes, 3)
  app.close()
})

test('a database whose disk is full can be read, and readiness knows that it takes nothing', async () => {
  const { database, sqlite, close } = await openDatabase(':memory:')
  const app = await testApp({ database })
  const { results } = await sqlite.prepare('PRAGMA page_count').all()
  sqlite.exec(`PRAGMA max_page_count = ${Number(results[0]!.page_count)}`)
  app.clock.time += 5000
  const { error } = await app.json('/readyz', { key: null }, 507)
  assert.deepEqual([error.code, /The database has no room/.test(error.message)], ['disk_full', true])
  assert.deepEqual((await app.json('/v1/jobs')).data, [])
  app.close()
  close()
})
