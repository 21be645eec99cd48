import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sftJob, studentAndData } from '../contracts/api.ts'
import { testApp } from '../helpers/test-app.ts'

test('a checkpoint lists its files, each with size, hash and where it is read; deleted, it is named and gone', async () => {
  const app = await testApp()
  const { id: job } = await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
  const { fence } = (await app.json('/v1/worker/lease', { json: { worker: 'w' } })).job
  const files = { 'model.safetensors': 'weights', 'training.json': '{}' }
  for (const [name, body] of Object.entries(files)) {
    const headers = { 'content-length': String(body.length) }
    await app.json(`/v1/worker/jobs/${job}/uploads/${fence}/3/${name}`, { method: 'PUT', body, headers })
  }
  const objects = Object.entries(files).map(([name, { length }]) => ({ name, size: length, sha256: 'a'.repeat(64) }))
  const json = { fence, step: 3, manifest: { objects, state: {} } }
  const { id } = await app.json(`/v1/worker/jobs/${job}/checkpoints`, { json })
  const shown = await app.json(`/v1/checkpoints/${id}`)
  assert.deepEqual([shown.id, shown.job, shown.step, shown.bytes], [id, job, 3, 9])
  assert.deepEqual(shown.files, objects.map((object) => ({ ...object, url: `/v1/checkpoints/${id}/files/${object.name}` }))) // prettier-ignore
  const read = await app.request(shown.files[0].url)
  assert.equal(await read.text(), 'weights')
  assert.deepEqual(await app.json(`/v1/checkpoints/${id}`, { method: 'DELETE' }), { id, object: 'checkpoint', deleted: true }) // prettier-ignore
  await app.json(`/v1/checkpoints/${id}`, {}, 404)
  app.close()
})
