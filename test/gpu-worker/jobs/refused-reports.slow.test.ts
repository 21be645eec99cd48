/** What a job reports is for people to read: nothing of it ends the job. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runWorker } from '../../../src/gpu-worker/jobs/run-worker.ts'
import { WorkerApi } from '../../../src/gpu-worker/jobs/worker-api.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { appFetch } from '../../helpers/app-fetch.ts'
import { testApp } from '../../helpers/test-app.ts'

const MODEL = tinyModelFolder()

/** Runs a job on a real worker, the answers to whose requests `fate` may give; the job as it ends, with its events. */
async function run(
  spec: object,
  rows: object[],
  fate: (path: string, init: RequestInit) => Response | void = () => {},
) {
  const app = await testApp({ clock: { now: () => Date.now() } })
  const headers = { 'content-type': 'application/jsonl' }
  await app.json('/v1/datasets?name=d', { body: rows.map((row) => JSON.stringify(row)).join('\n'), headers })
  await app.json('/v1/models', { json: { name: 'm', source: { type: 'local', path: MODEL } } })
  const { id } = await app.json('/v1/jobs', { json: { model: 'm', dataset: 'd', ...spec } })
  const stop = new AbortController()
  const api = new WorkerApi({
    url: 'http://gavel.test',
    key: 'admin-key',
    fetch: appFetch(app, fate),
    sleep: async () => {},
  })
  const working = runWorker({
    api,
    name: 'w',
    workspace: temporaryFolder(),
    signal: stop.signal,
    log: () => {},
    engine: { threads: 1 },
    sources: { roots: [MODEL], hub: { cacheFolder: temporaryFolder() } },
    trustedTenants: [],
    limits: { stallSeconds: 60, memoryBytes: Infinity, graceSeconds: 25 },
    environment: process.env,
  })
  for (;;) {
    const job = await app.json(`/v1/jobs/${id}`)
    if (!['queued', 'running'].includes(job.state) || job.attempt > 1) {
      stop.abort()
      await working
      const { data: events } = await app.json(`/v1/jobs/${id}/events?limit=1000`)
      const { data: samples } = await app.json(`/v1/jobs/${id}/samples?limit=1000`)
      const { data: metrics } = await app.json(`/v1/jobs/${id}/metrics`)
      app.close()
      return { job, events: events as { level: string; message: string }[], samples, metrics }
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const warnings = (events: { level: string; message: string }[]) =>
  events.filter(({ level }) => level === 'warning').map(({ message }) => message)
const SFT = { type: 'sft', config: { steps: 2, batch_size: 2, max_tokens: 64, learning_rate: 0.001 } }
const PAIRS = [1, 2, 3].map((n) => ({ prompt: `${n}+1?`, completion: `#### ${n + 1}` }))

test('a report that is refused is an event, and the job goes on', async () => {
  const refusals: Record<string, Response> = {
    metrics: new Response('<html>413 Request Entity Too Large</html>', { status: 413 }),
  }
  const { job, events, metrics } = await run(SFT, PAIRS, (path) => refusals[path.split('/').at(-1)!]?.clone())
  assert.deepEqual([job.state, job.error], ['succeeded', null])
  assert.equal(metrics.length, 0)
  assert.deepEqual(warnings(events).map((message) => message.slice(0, 53)), [1, 2].map((step) => `the API refused the metrics of step ${step}, which are lost`)) // prettier-ignore
})

test('a report that cannot be sent is sent again', async () => {
  let failures = 3
  const { job, metrics } = await run(SFT, PAIRS, (path) => {
    if (path.endsWith('/metrics') && failures-- > 0) throw new TypeError('fetch failed')
  })
  assert.deepEqual([job.state, metrics.length], ['succeeded', 2])
})

test('an evaluation of long rows keeps all the samples that were asked for', async () => {
  const rows = Array.from({ length: 250 }, (_, i) => ({ prompt: `${i}?`, answer: `${i}${'\u0001é👍'.repeat(900)}` }))
  const spec = { type: 'eval', verifier: 'exact', config: { max_new_tokens: 1, samples: 250 } }
  const sizes: number[] = []
  const { job, samples } = await run(spec, rows, (path, { body }) => {
    if (path.endsWith('/samples')) sizes.push(Buffer.byteLength(body as string))
  })
  assert.deepEqual([job.state, job.error], ['succeeded', null])
  assert.equal(samples.length, 250)
  assert.ok(sizes.length > 1 && Math.max(...sizes) < 1024 ** 2, `${sizes}`)
})
