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

test('rows are looked at in pages, by the number of their line', async () => {
  const app = await testApp()
  const body = ['a', 'b', '', 'c'].map((prompt) => prompt && JSON.stringify({ prompt })).join('\n')
  const { id } = await app.json('/v1/datasets', { body, headers: { 'content-type': 'application/jsonl' } })
  const page = async (query: string) => {
    const { data, has_more } = await app.json(`/v1/datasets/${id}/rows?${query}`)
    return { lines: data.map(({ line }: { line: number }) => line), has_more }
  }
  assert.deepEqual(await page('limit=2'), { lines: [1, 2], has_more: true })
  assert.deepEqual(await page('limit=2&after=2'), { lines: [4], has_more: false })
  assert.deepEqual(await page('limit=3'), { lines: [1, 2, 4], has_more: false })
  for (const after of ['x', '-1', '1.5', '1e300']) {
    const { error } = await app.json(`/v1/datasets/${id}/rows?after=${after}`, {}, 404)
    assert.deepEqual([error.code, error.param], ['not_found', 'after'], after)
    assert.equal(error.message, '`after` must be the number of a line.')
  }
  app.close()
})
