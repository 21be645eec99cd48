import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { s3BlobStore, type S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import { NO_WEED, startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'
import { sftJob, studentAndData } from './api.ts'

const weed = weedBinary()

describe('API over S3', { skip: weed === null && NO_WEED }, () => {
  let s3: S3Options
  let stop: () => Promise<void>
  let api: TestApp
  before(async () => {
    ;({ s3, stop } = await startSeaweed(weed!))
    api = await testApp({ blobs: s3BlobStore(s3) })
  })
  after(async () => {
    api.close()
    await stop()
  })

  test('bytes go between worker and store; users are led to the store', async () => {
    const dataset = await studentAndData(api)
    const { id } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const { job } = await api.json('/v1/worker/lease', { json: { worker: 'w' } })
    const input = job.inputs.datasets.dataset
    assert.ok(input.url.startsWith(s3.endpoint))
    assert.equal(await sha256Hex(await (await fetch(input.url)).text()), input.sha256)

    const body = 'weights '.repeat(1000)
    const objects = [{ name: 'model.safetensors', size: body.length, sha256: await sha256Hex(body) }]
    const post = (what: string, json: object) =>
      api.json(`/v1/worker/jobs/${id}/${what}`, { json: { fence: job.fence, ...json } })
    const [upload] = (await post('uploads', { step: 4, objects })).data
    const put = await fetch(upload.url, { method: upload.method, headers: upload.headers, body })
    assert.equal(put.status, 200)
    const commit = await post('checkpoints', { step: 4, manifest: { objects } })
    assert.deepEqual(await post('checkpoints', { step: 4, manifest: { objects } }), commit)

    const file = await api.request(`/v1/checkpoints/${commit.id}/files/model.safetensors`)
    assert.equal(file.status, 302)
    assert.equal(await (await fetch(file.headers.get('location')!)).text(), body)
    const content = await api.request(`/v1/datasets/${dataset}/content`)
    assert.equal((await (await fetch(content.headers.get('location')!)).text()).length, input.size)
    assert.deepEqual(api.errors, [])
  })

  test('a store that is away is a 503 that says so, and the API stays up', async () => {
    const lost = await testApp({ blobs: s3BlobStore({ ...s3, endpoint: 'http://127.0.0.1:1' }) })
    const upload = { body: '{"prompt":"x"}', headers: { 'content-type': 'application/jsonl' } }
    assert.equal((await lost.json('/v1/datasets', upload, 503)).error.code, 'storage_unavailable')
    assert.match((await lost.json('/readyz', {}, 503)).error.message, /object store/)
    await lost.json('/livez')
    assert.deepEqual((await lost.json('/v1/datasets')).data, [])
    lost.close()
  })
})
