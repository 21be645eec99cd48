import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findResource } from '../../src/service/find-resource.ts'
import { resourceHeader, unixSeconds } from '../../src/service/resource-header.ts'
import { openDatabase } from '../helpers/test-app.ts'

test('what is not there is named, shortened, with where to look; what cannot be there is not looked for', async () => {
  const { database, close } = await openDatabase(':memory:')
  const row = { tenant: 't', body: { source: { type: 'local' as const, path: '/m' } }, secret: null, createdAt: 1 }
  const longest = 'x'.repeat(128)
  await database.models.insert({ ...row, id: 'model_1', name: longest })
  assert.equal((await findResource(database, 'models', 't', longest, 'model')).id, 'model_1')
  assert.equal((await findResource(database, 'models', 't', 'model_1', 'model')).name, longest)
  const missing = (idOrName: string, message: string) =>
    assert.rejects(findResource(database, 'models', 't', idOrName, 'model'), { code: 'not_found', param: 'model', message }) // prettier-ignore
  await missing('an "m"', '`model`: there is no model "an \\"m\\"". List yours with GET /v1/models.')
  const shown = `y${'x'.repeat(99)}`
  await missing(`y${longest}`, `\`model\`: there is no model "${shown}". List yours with GET /v1/models.`)
  await assert.rejects(findResource(database, 'recipes', 't', 'r', 'reward'), /no reward recipe "r".*GET \/v1\/recipes/)
  await assert.rejects(findResource(database, 'models', 'other', 'model_1', 'id'), { code: 'not_found' })
  close()
})

test('times are shown in whole seconds', () => {
  assert.deepEqual([unixSeconds(1999), unixSeconds(2000)], [1, 2])
  const row = { id: 'x_1', name: null, createdAt: 61_500, more: 1 }
  assert.deepEqual(resourceHeader(row, 'x'), { id: 'x_1', object: 'x', name: null, created_at: 61 })
})
