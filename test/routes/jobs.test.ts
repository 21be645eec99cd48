import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sftJob, studentAndData } from '../contracts/api.ts'
import { testApp } from '../helpers/test-app.ts'

test('a job tells when it was made, began and ended, in seconds, and null of what has not been', async () => {
  const app = await testApp()
  const { id } = await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
  const times = async () => {
    const { created_at, started_at, finished_at } = await app.json(`/v1/jobs/${id}`)
    return [created_at, started_at, finished_at]
  }
  const made = app.clock.time / 1000
  assert.deepEqual(await times(), [made, null, null])
  app.clock.time += 10_000
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
  assert.deepEqual(await times(), [made, made + 10, null])
  app.clock.time += 5000
  await app.json(`/v1/worker/jobs/${id}/complete`, { json: { fence: job.fence, result: {} } })
  assert.deepEqual(await times(), [made, made + 10, made + 15])
  app.close()
})

test('samples come in pages, of all steps or of one', async () => {
  const app = await testApp()
  const { id } = await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
  const data = [1, 1, 2, 2].map((step, index) => ({ step, index, prompt: 'p', completion: `c${index}` }))
  await app.json(`/v1/worker/jobs/${id}/samples`, { json: { fence: job.fence, data } })
  const page = async (query: string) => {
    const { data, has_more } = await app.json(`/v1/jobs/${id}/samples?${query}`)
    return { told: data.map((one: { completion: string }) => one.completion), has_more, last: data.at(-1)?.id }
  }
  const first = await page('limit=3')
  assert.deepEqual([first.told.length, first.has_more], [3, true])
  const rest = await page(`limit=3&after=${first.last}`)
  assert.deepEqual([[...first.told, ...rest.told].sort(), rest.has_more], [['c0', 'c1', 'c2', 'c3'], false])
  const one = await page('limit=1&step=2')
  assert.deepEqual([one.told.length, one.has_more], [1, true])
  const other = await page(`limit=1&step=2&after=${one.last}`)
  assert.deepEqual([[...one.told, ...other.told].sort(), other.has_more], [['c2', 'c3'], false])
  app.close()
})
