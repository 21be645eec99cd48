import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('a model of a checkpoint is refused where there is no such checkpoint', async () => {
  const app = await testApp()
  const source = { type: 'checkpoint', checkpoint: 'ckpt_000000000000000000000000' }
  const { error } = await app.json('/v1/models', { json: { name: 'm', source } }, 404)
  assert.deepEqual([error.code, error.param], ['not_found', 'source.checkpoint'])
  assert.deepEqual((await app.json('/v1/models')).data, [])
  app.close()
})
