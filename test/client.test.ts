import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { all, ApiError, createClient, type JobNews } from '../src/client.ts'
import { startCliServer, type CliServer } from './cli/cli-server.ts'

let server: CliServer
before(async () => {
  server = await startCliServer()
  await server.api.datasets.create('{"prompt": "2 + 3?", "answer": "5"}\n', { name: 'sums' })
  await server.api.models.create({ name: 'student', source: { type: 'hub', repo: 'owner/model' } })
})
after(() => server.close())

const evaluation = {
  type: 'eval',
  model: 'student',
  dataset: 'sums',
  verifier: 'math',
  config: { max_new_tokens: 8 },
} as const

/** Takes the next job, as a worker does. */
async function lease() {
  const leased = await server.worker.lease('test', 0, new AbortController().signal)
  assert.ok(leased)
  return server.worker.job(leased)
}

test('a list is read page by page to its end, or to its limit', async () => {
  const jsonl = Array.from({ length: 450 }, (_, i) => `${JSON.stringify({ prompt: `question ${i}` })}\n`).join('')
  const { id, rows } = await server.api.datasets.create(jsonl)
  assert.equal(rows, 450)
  const read = await all(server.api.datasets.rows(id))
  assert.deepEqual(
    read.map(({ row }) => row.prompt),
    Array.from({ length: 450 }, (_, i) => `question ${i}`),
  )
  assert.equal((await all(server.api.datasets.rows(id, { limit: 201 }))).length, 201)
})

test('a refusal carries what the API said', async () => {
  await assert.rejects(server.api.datasets.create('{"prompt": "a"}\n{"prompt": 1}\n'), (error) => {
    assert.ok(error instanceof ApiError)
    assert.match(error.message, /^Line 2: `prompt` must be string/)
    assert.deepEqual([error.status, error.code, error.param], [422, 'bad_dataset_line', 'line 2, prompt'])
    return true
  })
})

test('an idempotency key makes one job of two requests', async () => {
  const [one, other] = [
    await server.api.jobs.create(evaluation, { idempotencyKey: 'k' }),
    await server.api.jobs.create(evaluation, { idempotencyKey: 'k' }),
  ]
  assert.equal(one.id, other.id)
  await server.api.jobs.cancel(one.id)
})

test('an API that is not there, and one that is something else, are both unreachable', async () => {
  const website = createHttpServer((_, response) => response.end('<html>')).listen(0, '127.0.0.1')
  await once(website, 'listening')
  const url = `http://127.0.0.1:${(website.address() as AddressInfo).port}`
  const unreachable = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ApiError)
    assert.match(error.message, message)
    assert.deepEqual([error.status, error.code], [null, 'unreachable'])
    return true
  }
  await assert.rejects(createClient({ url, key: 'k' }).jobs.get('job_1'), unreachable(/is no Gavel API. Check the URL/))
  website.close()
  website.closeAllConnections()
  await once(website, 'close')
  const gone = createClient({ url, key: 'k' })
  await assert.rejects(gone.jobs.get('job_1'), unreachable(/cannot be reached \(.*ECONNREFUSED/))
  await assert.rejects(gone.jobs.streamEvents('job_1').next(), unreachable(/cannot be reached/))
})

test('watching tells each event and each number once, in order, until the job has ended', async () => {
  const { id } = await server.api.jobs.create(evaluation)
  const news: JobNews[] = []
  const steps: Record<string, () => Promise<unknown>> = {}
  let worker: Awaited<ReturnType<typeof lease>>
  steps['job is queued'] = async () => (worker = await lease())
  steps['job is running'] = async () => {
    await worker.metrics([{ step: 1, values: { 'eval/accuracy': 0.5 } }])
    await worker.events([{ level: 'info', message: 'half way' }])
  }
  steps['half way'] = async () => {
    // More of a step that has been told of already, and another step.
    await worker.metrics([
      { step: 1, values: { late: 3 } },
      { step: 2, values: { 'eval/accuracy': 1 } },
    ])
    await worker.complete({ correct: 1, n: 1, accuracy: 1, low: 0.2, high: 1 })
  }
  for await (const item of server.api.jobs.watch(id)) {
    news.push(item)
    if ('event' in item) await steps[item.event.message]?.()
  }
  assert.deepEqual(
    news.map((item) => ('event' in item ? item.event.message : item.metrics)),
    [
      'job is queued',
      'job is running',
      { step: 1, values: { 'eval/accuracy': 0.5 } },
      'half way',
      { step: 1, values: { late: 3 } },
      { step: 2, values: { 'eval/accuracy': 1 } },
      'job is succeeded',
    ],
  )
})

test('a stream that breaks off is taken up where it was', async () => {
  const { id } = await server.api.jobs.create(evaluation)
  const cutting = await startCuttingProxy(server.url)
  const { jobs } = createClient({ url: cutting.url, key: 'gvl_key-of-the-operator' })
  const messages: string[] = []
  for await (const { message } of jobs.streamEvents(id)) {
    messages.push(message)
    if (message !== 'job is queued') continue
    cutting.cut()
    await server.api.jobs.cancel(id)
  }
  assert.deepEqual(messages, ['job is queued', 'job is cancelled'])
  assert.equal(cutting.connections(), 2)
  cutting.close()
})

test('aborting ends a stream quietly', async () => {
  const { id } = await server.api.jobs.create(evaluation)
  const controller = new AbortController()
  let told = 0
  for await (const _ of server.api.jobs.watch(id, { signal: controller.signal })) {
    told++
    controller.abort()
  }
  assert.equal(told, 1)
  assert.equal((await server.api.jobs.get(id)).state, 'queued')
  await server.api.jobs.cancel(id)
})

/** Passes bytes on, until it is told to cut every connection there is. */
async function startCuttingProxy(target: string) {
  const { hostname, port } = new URL(target)
  const open = new Set<Socket>()
  let connections = 0
  const proxy = createServer((near) => {
    connections++
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => {})
    }
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const cut = () => {
    for (const socket of open) socket.destroy()
    open.clear()
  }
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    connections: () => connections,
    cut,
    close() {
      cut()
      proxy.close()
    },
  }
}
