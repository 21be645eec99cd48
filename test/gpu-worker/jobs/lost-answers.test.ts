/** What a worker reports counts once, whatever the network does with the answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTHING_USED } from '../../../src/core/judges/usage-counts.ts'
import { WorkerApi } from '../../../src/gpu-worker/jobs/worker-api.ts'
import { sftJob, studentAndData } from '../../contracts/api.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const ASKS = { ...NOTHING_USED, items: 4 }
const TOOK = { ...NOTHING_USED, abstained: 1, promptTokens: 40 }

/** A worker of the app, every other answer to which is lost on its way back. */
function unlucky(app: TestApp): { worker: WorkerApi; lost: () => number } {
  let count = 0
  let lost = 0
  const worker = new WorkerApi({
    url: 'http://gavel.test',
    key: 'admin-key',
    sleep: async () => {},
    fetch: async (input, init) => {
      const response = await app.request(new URL(input as string).pathname, {
        method: init!.method!,
        body: init!.body as string,
        headers: { 'content-type': 'application/json' },
      })
      const isReport = /\/(judge-usage|events)$/.test(String(input))
      if (isReport && count++ % 2 === 0) {
        lost++
        throw new TypeError('fetch failed', { cause: new Error('socket hang up') })
      }
      return Object.defineProperty(response, 'url', { value: input })
    },
  })
  return { worker, lost: () => lost }
}

test('a report whose answer is lost is sent again and counted once; a job that goes on adds to what was counted', async () => {
  const app = await testApp()
  await app.json('/v1/models', { json: { name: 'small', source: { type: 'local', path: '/small' } } })
  const provider = { type: 'local', model: 'small' }
  const judge = await app.json('/v1/judges', { json: { name: 'j', provider, budget: { tokens: 1000 } } })
  const rows = Array.from({ length: 4 }, (_, i) => JSON.stringify({ prompt: `${i}+1?`, answer: String(i + 1) }))
  const headers = { 'content-type': 'application/jsonl' }
  const dataset = await app.json('/v1/datasets', { body: rows.join('\n'), headers })
  const { key } = await app.json('/v1/keys', {
    // Twice is what it allows for: a report that counted twice would be refused.
    json: { scopes: ['judge', 'train', 'data'], budget: { items: 8, per: 'month' } },
  })
  const { id } = await app.json('/v1/jobs', {
    key,
    json: { type: 'judge.audit', judge: judge.id, dataset: dataset.id },
  })
  const counted = async () => {
    const { data } = await app.json('/v1/usage', { key })
    const { spent } = await app.json(`/v1/judges/${judge.id}`)
    return [data.length, data[0].items, data[0].abstained, data[0].prompt_tokens, spent.tokens]
  }
  const { worker, lost } = unlucky(app)

  const first = await worker.lease('w', 0, new AbortController().signal)
  const job = worker.job(first!)
  await job.used(judge.id, ASKS)
  await job.used(judge.id, TOOK)
  assert.equal(lost(), 2)
  assert.deepEqual(await counted(), [1, 4, 1, 40, 40])

  // The worker dies, and another takes the job up: what it asks now is asked anew, and comes on top.
  app.clock.time += 10 * 60_000
  const second = await worker.lease('w', 0, new AbortController().signal)
  assert.equal(second!.id, id)
  await assert.rejects(job.used(judge.id, ASKS), /lease|fence/i)
  const again = worker.job(second!)
  await again.used(judge.id, ASKS)
  await again.used(judge.id, TOOK)
  assert.deepEqual(await counted(), [1, 8, 2, 80, 80])
  await assert.rejects(again.used(judge.id, ASKS), { code: 'budget_spent' })
  assert.deepEqual(await counted(), [1, 8, 2, 80, 80])
  app.close()
})

test('an event whose answer is lost is there once, and what a second worker says again is not told twice', async () => {
  const app = await testApp()
  const dataset = await studentAndData(app)
  const { id } = await app.json('/v1/jobs', { json: sftJob(dataset) })
  const { worker, lost } = unlucky(app)
  const told = async () => {
    const { data } = await app.json(`/v1/jobs/${id}/events`)
    return (data as { id: string; message: string }[]).filter(({ message }) => !message.startsWith('job is'))
  }
  const warning = { level: 'warning' as const, message: 'judge j: no real probabilities', key: 'run/abc' }
  const first = worker.job((await worker.lease('w', 0, new AbortController().signal))!)
  for (const message of ['a', 'b', 'a']) await first.events([{ level: 'info', message }])
  await first.events([warning])
  assert.equal(lost(), 4)
  assert.deepEqual((await told()).map(({ message }) => message), ['a', 'b', 'a', warning.message]) // prettier-ignore
  app.clock.time += 10 * 60_000
  const second = worker.job((await worker.lease('w', 0, new AbortController().signal))!)
  await second.events([warning, { level: 'info', message: 'a' }])
  const all = await told()
  assert.deepEqual(all.map(({ message }) => message), ['a', 'b', 'a', warning.message, 'a']) // prettier-ignore
  assert.deepEqual(all.map((event) => event.id), ['3', '4', '5', '6', '8'], 'queued and running come before, running again between') // prettier-ignore
  await app.json(`/v1/worker/jobs/${id}/events`, { json: { fence: 2, data: [{ message: 'x', key: 7 }] } }, 400)
  await app.json(`/v1/worker/jobs/${id}/events`, { json: { fence: 2, data: [{ message: 'x', key: 'k'.repeat(201) }] } }, 400) // prettier-ignore
  assert.deepEqual(app.errors, [])
  app.close()
})
