import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GavelError } from '../../../src/core/errors.ts'
import { NOTHING_USED } from '../../../src/core/judges/usage-counts.ts'
import { LeaseLost, WorkerApi } from '../../../src/gpu-worker/jobs/worker-api.ts'

type Answer = Response | Error

/** An API that gives these answers, the last for ever; what it was asked, and how long was waited in between, is kept. */
function scripted(...answers: Answer[]) {
  const asked: Request[] = []
  const pauses: number[] = []
  const api = new WorkerApi({
    url: 'http://gavel.test',
    key: 'gvl_key',
    fetch: (async (input: string, init?: RequestInit) => {
      asked.push(new Request(input, init))
      const answer = answers[Math.min(asked.length, answers.length) - 1]!
      if (answer instanceof Error) throw answer
      const copy = answer.clone()
      Object.defineProperty(copy, 'url', { value: input })
      return copy
    }) as typeof fetch,
    sleep: async (ms) => void pauses.push(ms),
  })
  return { api, job: api.job({ id: 'job_1', fence: 3 }), asked, pauses }
}

const error = (status: number, code: string, message = 'the message') =>
  Response.json({ error: { message, code } }, { status })
const unreachable = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })

describe('WorkerApi', () => {
  test('repeats what broke off or failed on the other side, with growing pauses', async () => {
    const { job, asked, pauses } = scripted(unreachable, error(503, 'storage_unavailable'), Response.json({}))
    await job.metrics([{ step: 1, values: { loss: 2 } }])
    assert.deepEqual(pauses, [500, 1000])
    for (const request of asked) {
      assert.equal(request.headers.get('authorization'), 'Bearer gvl_key')
      assert.deepEqual(await request.json(), { fence: 3, data: [{ step: 1, values: { loss: 2 } }] })
    }
  })

  test('gives up before a lease has run out, and says what could not be reached and why', async () => {
    const { job, pauses } = scripted(unreachable)
    await assert.rejects(job.complete({}), {
      code: 'storage_unavailable',
      message: 'http://gavel.test cannot be reached: fetch failed: connect ECONNREFUSED',
    })
    const waited = pauses.reduce((a, b) => a + b) / 1000
    assert.ok(waited > 30 && waited < 60, `${waited} s`)
  })

  test('does not repeat a refusal; a stale fence is a lost lease', async () => {
    const stale = scripted(error(409, 'stale_fence'))
    await assert.rejects(stale.job.events([{ level: 'info', message: 'x' }]), LeaseLost)
    assert.equal(stale.asked.length, 1)
    const refused = scripted(error(400, 'invalid_request', '`data` is empty.'))
    await assert.rejects(refused.job.metrics([]), (failure: GavelError) => {
      assert.match(failure.message, /^400 from \/v1\/worker\/jobs\/job_1\/metrics: `data` is empty\.$/)
      return failure.code === 'invalid_request'
    })
    assert.equal(refused.asked.length, 1)
  })

  test("keeps the API's own code, so that a full disk stays a full disk; a proxy's page is the store's absence", async () => {
    const full = scripted(error(507, 'disk_full'))
    await assert.rejects(full.job.commit(1, { objects: [], state: {} }), { code: 'disk_full' })
    const page = scripted(new Response('<html>Bad Gateway</html>', { status: 502 }))
    await assert.rejects(page.job.release(), { code: 'storage_unavailable', message: /502 .*Bad Gateway/ })
  })

  test('a job that came as the worker was told to leave is not lost: it can be given back', async () => {
    const leaving = new AbortController()
    const source = {
      pull(stream: ReadableStreamDefaultController) {
        leaving.abort()
        stream.enqueue(new TextEncoder().encode('{"job":{"id":"job_1","fence":1}}'))
        stream.close()
      },
    }
    const body = new ReadableStream(source, { highWaterMark: 0 })
    const api = new WorkerApi({
      url: 'http://gavel.test',
      key: 'k',
      async fetch(_, init) {
        const response = new Response(body)
        init!.signal!.addEventListener('abort', () => assert.fail('the answer had begun'))
        return response
      },
    })
    assert.equal((await api.lease('w', 20, leaving.signal))?.id, 'job_1')
    assert.ok(leaving.signal.aborted)
    await assert.rejects(api.lease('w', 20, leaving.signal), { name: 'AbortError' })
  })

  test('a heartbeat and a lease are asked for once: the next comes anyway', async () => {
    const { api, job, asked } = scripted(unreachable)
    await assert.rejects(job.heartbeat(), { code: 'storage_unavailable' })
    await assert.rejects(api.lease('w', 20, new AbortController().signal), { code: 'storage_unavailable' })
    assert.equal(asked.length, 2)
  })

  test('the key goes to the API alone, never to a presigned URL', async () => {
    const { api, asked } = scripted(new Response('bytes'))
    const object = { name: 'x', size: 5, sha256: '' }
    await api.download({ ...object, url: 'https://store.test/x?signature=s' })
    await api.download({ ...object, url: '/v1/worker/jobs/job_1/objects/x?fence=3' })
    const upload = { name: 'x', key: 'x', method: 'PUT' as const, headers: {} }
    await api.upload({ ...upload, url: 'https://store.test/x' }, async () => new Blob(['bytes']))
    assert.deepEqual(
      asked.map((request) => [request.url, request.headers.get('authorization')]),
      [
        ['https://store.test/x?signature=s', null],
        ['http://gavel.test/v1/worker/jobs/job_1/objects/x?fence=3', 'Bearer gvl_key'],
        ['https://store.test/x', null],
      ],
    )
  })

  test('a report of use keeps its number when it is sent again', async () => {
    const { job, asked } = scripted(Response.json({}), unreachable, Response.json({}))
    const used = { ...NOTHING_USED, items: 4 }
    await job.used('judge_1', used)
    await job.used('judge_1', used)
    const bodies = (await Promise.all(asked.map((request) => request.json()))) as { report: number }[]
    assert.deepEqual(
      bodies.map(({ report }) => report),
      [1, 2, 2],
    )
  })

  test('judgments keep their three outcomes', async () => {
    const asking = { cached: false, tokens: { prompt: 9, completion: 1 }, cost: null, latency_ms: 12 }
    const score = { outcome: 'scored', reward: 0.5, probability: 0.25, calibrated_probability: 0.5, label_mass: 0.9 }
    const data = [
      { ...score, ...asking },
      { outcome: 'abstained', probability: null, label_mass: 0.1, reason: 'it did not answer', ...asking },
      { outcome: 'failed', probability: null, label_mass: null, reason: 'it is away', ...asking, latency_ms: null },
    ]
    const told = { cached: false, usage: { promptTokens: 9, completionTokens: 1 }, latencyMs: 12 }
    assert.deepEqual(await scripted(Response.json({ data })).job.judge('judge_1', []), [
      { outcome: 'scored', probability: 0.5, raw: 0.25, labelMass: 0.9, ...told },
      { outcome: 'abstained', labelMass: 0.1, reason: 'it did not answer', ...told },
      { outcome: 'failed', reason: 'it is away', ...told, latencyMs: null },
    ])
  })
})
