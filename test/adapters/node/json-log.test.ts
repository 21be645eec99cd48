import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonLog } from '../../../src/adapters/node/json-log.ts'
import type { RequestEntry } from '../../../src/service/request-log.ts'
import { openDatabase } from '../../helpers/test-app.ts'

const entry: RequestEntry = {
  request_id: 'req_1',
  method: 'GET',
  route: '/v1/jobs/:id',
  status: 200,
  ms: 1.25,
  tenant: 't',
  key: 'key_1',
}
const logged = (written: string[]) =>
  written
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('requests are a JSON object a line, written together', () => {
  const written: string[] = []
  const log = jsonLog({ write: (text) => written.push(text), requests: true, bodies: false })
  log.request(entry)
  log.request({ ...entry, status: 400, error: 'invalid_request', param: 'items[0].text' })
  assert.deepEqual(written, [])
  log.flush()
  assert.equal(written.length, 1)
  const lines = logged(written)
  assert.match(lines[0]!.time as string, /^\d{4}-\d\d-\d\dT.*Z$/)
  assert.deepEqual({ ...lines[0], time: 0 }, { time: 0, level: 'info', message: 'request', ...entry })
  assert.deepEqual([lines[1]!.error, lines[1]!.param], ['invalid_request', 'items[0].text'])
  log.flush()
  assert.equal(written.length, 1)
})

test('a failure is written at once, with where it happened, but without what a query was about', async () => {
  const written: string[] = []
  const log = jsonLog({ write: (text) => written.push(text), requests: false, bodies: false })
  log.request(entry)
  const { database, sqlite, close } = await openDatabase(':memory:')
  sqlite.exec('DROP TABLE models')
  const failed = database.models.find('tenant-x', 'secret-word').catch((error: unknown) => error)
  log.error(await failed, 'req_2')
  close()
  const [line] = logged(written)
  assert.equal(line!.request_id, 'req_2')
  const text = JSON.stringify(line)
  assert.match(text, /no such table: models/)
  assert.match(text, /at .*resource-table/)
  assert.ok(!text.includes('secret-word'), text)
})
