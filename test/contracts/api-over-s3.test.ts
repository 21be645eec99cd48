import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { s3BlobStore, type S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import { uploadObject } from '../../src/gpu-worker/jobs/upload-object.ts'
import { WorkerApi } from '../../src/gpu-worker/jobs/worker-api.ts'
import { appFetch } from '../helpers/app-fetch.ts'
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
    const input = job.inputs.datasets.dataset.objects[0]
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

  test('a large file goes in parts from worker to store, and what is left of a lost one is collected', async () => {
    const MIB = 1024 ** 2
    const large = await testApp({ blobs: s3BlobStore({ ...s3, partBytes: 5 * MIB }) })
    const folder = mkdtempSync(join(tmpdir(), 'gavel-large-'))
    const path = join(folder, 'model.safetensors')
    const bytes = new Uint8Array(6 * MIB).fill(7)
    writeFileSync(path, bytes)
    await large.json('/v1/jobs', { json: sftJob(await studentAndData(large)) })
    const toStore: string[] = []
    const fetching = appFetch(large)
    const both: typeof fetch = (input, init) => {
      if ((input as string).startsWith('http://gavel.test')) return fetching(input, init)
      toStore.push(`${init!.method} ${new URL(input as string).searchParams.get('partNumber')}`)
      return fetch(input, init)
    }
    const worker = new WorkerApi({ url: 'http://gavel.test', key: 'admin-key', fetch: both })
    const leased = (await worker.lease('w', 0, new AbortController().signal))!
    const job = worker.job(leased)
    const object = { name: 'model.safetensors', size: bytes.length, sha256: await sha256Hex(bytes) }
    await uploadObject(worker, job, 1, { object, path, signal: null })
    assert.deepEqual(toStore.sort(), ['PUT 1', 'PUT 2'])
    const { id } = await job.commit(1, { objects: [object], state: {} })
    const file = await large.request(`/v1/checkpoints/${id}/files/model.safetensors`)
    const stored = await fetch(file.headers.get('location')!, { headers: { range: `bytes=${6 * MIB - 3}-` } })
    assert.deepEqual([stored.status, new Uint8Array(await stored.arrayBuffer())], [206, new Uint8Array(3).fill(7)])

    await job.uploads(2, [object])
    await job.complete({})
    await large.json(`/v1/jobs/${leased.id}`, { method: 'DELETE' })
    const client = new S3Client({ endpoint: s3.endpoint!, region: s3.region, forcePathStyle: true, credentials: s3 })
    const listed = await client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }))
    assert.deepEqual(listed.Uploads ?? [], [])
    assert.deepEqual(await large.deps.blobs.list(`tenants/default/jobs/${leased.id}/`), [])
    rmSync(folder, { recursive: true })
    large.close()
  })

  test('a part of a dataset goes to the store itself, is taken from there, and rows are appended', async () => {
    const { id } = await api.json('/v1/dataset_uploads', { json: { name: 'direct' } })
    const rows = Array.from(
      { length: 3000 },
      (_, i) => `${JSON.stringify({ prompt: `${i} ${'x'.repeat(4000)}` })}\n`,
    ).join('')
    const { url, method } = await api.json(`/v1/dataset_uploads/${id}/parts/1/url`, { method: 'POST' })
    assert.equal((await fetch(url, { method, body: rows })).status, 200)
    await api.json(`/v1/dataset_uploads/${id}/parts/1/take`, { method: 'POST' })
    const made = await api.json(`/v1/dataset_uploads/${id}/complete`, { json: { parts: 1 } })
    assert.deepEqual([made.rows, made.sha256], [3000, await sha256Hex(rows)])
    const stored = await api.deps.blobs.list(`tenants/default/datasets/${made.id}/`)
    assert.equal(stored.length, 2, 'pieces of whole lines, and what was put there is gone')
    const headers = { 'content-type': 'application/jsonl' }
    const more = await api.json('/v1/datasets?append_to=direct', { body: '{"prompt":"y"}', headers })
    assert.deepEqual([more.rows, more.version], [3001, 2])
    assert.equal(await sha256Hex(await (await api.request('/v1/datasets/direct/content')).text()), more.sha256)
    for (const dataset of [made.id, more.id]) await api.json(`/v1/datasets/${dataset}`, { method: 'DELETE' })
    assert.deepEqual(await api.deps.blobs.list(`tenants/default/datasets/${made.id}`), [])
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
