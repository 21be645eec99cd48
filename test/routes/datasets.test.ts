import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('a dataset comes as JSONL or as a form with a file, and as nothing else', async () => {
  const app = await testApp()
  const upload = (body: BodyInit, type: string | null, status = 200) =>
    app.json('/v1/datasets', { body, headers: type === null ? {} : { 'content-type': type } }, status)
  const row = '{"prompt":"a"}\n'
  for (const type of [
    'application/jsonl',
    'application/x-ndjson',
    'text/plain; charset=utf-8',
    'application/octet-stream',
  ])
    assert.equal((await upload(row, type)).rows, 1, type)
  const image = (await upload(row, 'image/png', 415)).error
  assert.deepEqual([image.code, image.param], ['unsupported_media_type', 'Content-Type'])
  assert.match(image.message, /not as image\/png\.$/)
  const garbled = (await upload('no form', 'multipart/form-data; boundary=x', 400)).error
  assert.deepEqual([garbled.code, garbled.param], ['invalid_request', 'body'])
  for (const file of [null, 'a text']) {
    const form = new FormData()
    form.set('name', 'n')
    if (file !== null) form.set('file', file)
    const { error } = await app.json('/v1/datasets', { body: form }, 400)
    assert.deepEqual([error.code, error.param], ['invalid_request', 'file'])
  }
  const form = new FormData()
  form.set('file', new Blob([row]), 'x.jsonl')
  assert.deepEqual((await app.json('/v1/datasets', { body: form })).name, null)
  app.close()
})
