/** What a worker is told and refused, beyond what the contract of the API holds. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MAX_OBJECT_BYTES } from '../../src/core/schemas/checkpoint.ts'
import type { Deps } from '../../src/service/deps.ts'
import { countingJudge, sftJob, studentAndData } from '../contracts/api.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

const SIX_HOURS = 6 * 60 * 60

let app: TestApp
let dataset: string
const puts: [string, unknown][] = []
const signed: unknown[][] = []
let rings = 0
let store: string | null = null

before(async () => {
  const plain = await testApp()
  const blobs: Deps['blobs'] = {
    ...plain.deps.blobs,
    async put(key, body, ...rest) {
      puts.push([key, body])
      return 'body' in body ? true : plain.deps.blobs.put(key, body, ...rest)
    },
    async presign(...call) {
      signed.push(call)
      return store && `${store}/${call[0]}`
    },
  }
  const bell = {
    ring: (of: string) => void (of !== 'claimable' && rings++),
    listen: () => ({ next: async () => {}, close() {} }),
  }
  const opened = await testApp({ blobs, bell, judgeClient: countingJudge().judgeClient })
  app = Object.assign(opened, { close: ((close) => () => (close(), plain.close()))(opened.close) })
  dataset = await studentAndData(app)
})
after(() => {
  assert.deepEqual(app.errors, [])
  app.close()
})

/** A job that a worker holds. */
async function leased(spec: object = sftJob(dataset), call: { key?: string } = {}) {
  const { id } = await app.json('/v1/jobs', { json: spec, ...call })
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
  assert.equal(job.id, id)
  const post = (what: string, json: object, status = 200) =>
    app.json(`/v1/worker/jobs/${id}/${what}`, { json: { fence: job.fence, ...json } }, status)
  return { id: id as string, fence: job.fence as number, post, done: () => post('complete', {}) }
}

describe('uploads', () => {
  const place = (id: string, fence: number, step: number | string, name = 'model.safetensors') =>
    `/v1/worker/jobs/${id}/uploads/${fence}/${step}/${name}`
  const put = (path: string, length: string | undefined, body: string | undefined, status: number) =>
    app.json(
      path,
      { method: 'PUT', ...(body !== undefined && { body }), headers: length === undefined ? {} : { 'content-length': length } },
      status,
    ) // prettier-ignore

  test('a file needs its size, of 5 TB at most', async () => {
    const { id, fence, done } = await leased()
    const path = place(id, fence, 3)
    puts.length = 0
    for (const length of [undefined, 'many', '-1', '1.5', '1'.repeat(16)]) {
      const { error } = await put(path, length, 'x', 400)
      assert.deepEqual([error.code, error.param], ['invalid_request', 'Content-Length'], length)
      assert.match(error.message, /^Content-Length is missing; send the size of the file\./)
    }
    const { error } = await put(path, String(MAX_OBJECT_BYTES + 1), 'x', 413)
    assert.deepEqual([error.code, error.param], ['too_large', 'body'])
    assert.match(error.message, /larger than 5000000000000 bytes/)
    assert.equal(puts.length, 0)
    assert.deepEqual(await put(path, String(MAX_OBJECT_BYTES), 'x', 200), { size: MAX_OBJECT_BYTES })
    const [key, sent] = puts.at(-1) as [string, { size: number; body: ReadableStream }]
    assert.equal(key, `tenants/default/jobs/${id}/checkpoints/3/${fence}/model.safetensors`)
    assert.deepEqual([sent.size, await new Response(sent.body).text()], [MAX_OBJECT_BYTES, 'x'])
    await done()
  })

  test('an empty file is one; the place is read as numbers', async () => {
    const { id, fence, done } = await leased()
    puts.length = 0
    assert.deepEqual(await put(place(id, fence, 0), '0', undefined, 200), { size: 0 })
    assert.deepEqual(puts, [[`tenants/default/jobs/${id}/checkpoints/0/${fence}/model.safetensors`, new Uint8Array()]])
    assert.equal((await put(place(id, fence, 1_000_001), '1', 'x', 400)).error.param, 'step')
    assert.equal((await put(place(id, fence, 'x'), '1', 'x', 400)).error.param, 'step')
    assert.equal((await put(place(id, fence + 1, 1), '1', 'x', 409)).error.code, 'stale_fence')
    assert.equal((await put(place(id, fence, 1_000_000), '1', 'x', 200)).size, 1)
    await done()
  })

  test('a file is never written over, before its commit or after: the same bytes again are harmless, others a conflict', async () => {
    const own = await testApp()
    try {
      const bytes = 'w'.repeat(300_000)
      const { id } = await own.json('/v1/jobs', { json: sftJob(await studentAndData(own)) })
      const { job } = await own.json('/v1/worker/lease', { json: { worker: 'w' } })
      const send = (body: string, status: number) =>
        own.json(
          place(id, job.fence, 1),
          { method: 'PUT', body, headers: { 'content-length': String(body.length) } },
          status,
        )
      const object = { name: 'model.safetensors', size: bytes.length, sha256: 'a'.repeat(64) }
      const { data } = await own.json(`/v1/worker/jobs/${id}/uploads`, { json: { fence: job.fence, step: 1, objects: [object] } }) // prettier-ignore
      const stored = async () => new TextDecoder().decode((await own.deps.blobs.get(data[0].key))!)
      const race = [bytes, bytes, 'v'.repeat(300_000)].map((body) =>
        own.request(place(id, job.fence, 1), { method: 'PUT', body, headers: { 'content-length': '300000' } }),
      )
      await Promise.all(race)
      if ((await stored()) !== bytes) return
      await send(bytes, 200)
      const refused = async () => {
        for (const other of [`${bytes.slice(1)}x`, bytes.slice(1), `${bytes}x`, ''])
          assert.match((await send(other, 409)).error.message, /never written over/)
      }
      await refused()
      await own.json(`/v1/worker/jobs/${id}/checkpoints`, { json: { fence: job.fence, step: 1, manifest: { objects: [object] } } }) // prettier-ignore
      await refused()
      await send(bytes, 200)
      assert.equal(await stored(), bytes)
      assert.deepEqual(own.errors, [])
    } finally {
      own.close()
    }
  })

  test('are put where the store says, for six hours, or here', async () => {
    const { id, fence, post, done } = await leased()
    const objects = [{ name: 'a.json', size: 1, sha256: '0'.repeat(64) }]
    const key = `tenants/default/jobs/${id}/checkpoints/7/${fence}/a.json`
    const ask = async () => (await post('uploads', { step: 7, objects })).data
    const rest = { name: 'a.json', key, method: 'PUT', headers: {} }
    assert.deepEqual(await ask(), [{ ...rest, url: place(id, fence, 7, 'a.json') }])
    store = 'https://store.example'
    signed.length = 0
    const once = { headers: { 'if-none-match': '*' } }
    assert.deepEqual(await ask(), [{ ...rest, ...once, url: `https://store.example/${key}` }])
    store = null
    assert.deepEqual(signed, [[key, 'PUT', SIX_HOURS, { ifAbsent: true }]])
    await done()
  })
})

describe('a lease', () => {
  test('is kept for a minute from each beat, which says whether to stop', async () => {
    const { id, post, done } = await leased()
    app.clock.time += 20_000
    const now = app.clock.time / 1000
    assert.deepEqual(await post('heartbeat', {}), { lease_expires_at: now + 60, cancel_requested: false, pause_requested: false }) // prettier-ignore
    await app.json(`/v1/jobs/${id}/pause`, { method: 'POST' })
    assert.deepEqual(await post('heartbeat', {}), { lease_expires_at: now + 60, cancel_requested: false, pause_requested: true }) // prettier-ignore
    await done()
  })

  test('that is lost between the look and the deed is a stale fence', async () => {
    const { post, done } = await leased()
    const { jobs } = app.deps.database
    const point = { step: 1, values: { loss: 1 } }
    const sample = { step: 1, index: 0, prompt: 'p', completion: 'c' }
    const deeds = [
      ['heartbeat', 'heartbeat', null, {}],
      ['metrics', 'postMetrics', false, { data: [point] }],
      ['events', 'postEvents', false, { data: [{ message: 'm' }] }],
      ['samples', 'postSamples', false, { data: [sample] }],
    ] as const
    for (const [what, method, lost, json] of deeds) {
      const real = jobs[method]
      Object.assign(jobs, { [method]: async () => lost })
      rings = 0
      assert.equal((await post(what, json, 409)).error.code, 'stale_fence', what)
      assert.equal(rings, 0)
      Object.assign(jobs, { [method]: real })
    }
    assert.deepEqual(await post('metrics', { data: [point, { ...point, step: 2 }] }), { accepted: 2 })
    assert.deepEqual(await post('samples', { data: [sample] }), { accepted: 1 })
    rings = 0
    assert.deepEqual(await post('events', { data: [{ message: 'm' }, { message: 'n' }, { message: 'o' }] }), { accepted: 3 }) // prettier-ignore
    assert.equal(rings, 1, 'who reads events is woken')
    await done()
  })

  test('of no job is a 204; workers of a tenant have its jobs only', async () => {
    const { key } = await app.json('/v1/keys', { json: { tenant: 'acme', scopes: ['worker'] } })
    const response = await app.request('/v1/worker/lease', { json: { worker: 'w' } })
    assert.deepEqual([response.status, await response.text()], [204, ''])
    const { id, fence, done } = await leased()
    const other = await app.json(`/v1/worker/jobs/${id}/heartbeat`, { key, json: { fence } }, 404)
    assert.deepEqual([other.error.code, other.error.param], ['not_found', 'id'])
    await app.json('/v1/worker/jobs/nobody/heartbeat', { json: { fence } }, 404)
    const objects = [{ name: 'a', size: 1, sha256: '0'.repeat(64) }]
    const point = { step: 1, index: 0, prompt: 'p', completion: 'c' }
    const deeds: Record<string, object> = {
      metrics: { data: [{ step: 1, values: { loss: 1 } }] },
      events: { data: [{ message: 'not mine' }] },
      samples: { data: [point] },
      uploads: { step: 1, objects },
      checkpoints: { step: 1, manifest: { objects, state: {} } },
      complete: {},
      fail: { error: { code: 'x', message: 'y' } },
      release: {},
      judgments: { judge: 'j', items: [{ question: 'q', answer: 'a' }] },
      'judge-usage': { report: 1, judge: 'j' },
    }
    for (const [what, json] of Object.entries(deeds)) {
      const { error } = await app.json(`/v1/worker/jobs/${id}/${what}`, { key, json: { fence, ...json } }, 404)
      assert.deepEqual([error.code, error.param], ['not_found', 'id'], what)
    }
    const { jobs } = app.deps.database
    const messages = (await jobs.events(id, { limit: 99 })).rows.map(({ message }) => message)
    assert.ok(!messages.includes('not mine'))
    assert.deepEqual((await jobs.metrics(id, { limit: 9 })).rows, [])
    await done()
  })
})

test('an input is read by its key, under the last part of it as its name', async () => {
  const { id, fence, done } = await leased()
  const read = (key: string) => app.request(`/v1/worker/jobs/${id}/objects/${key}?fence=${fence}`)
  const [object] = await app.deps.blobs.list(`tenants/default/datasets/${dataset}/`)
  const response = await read(object!.key)
  assert.equal(response.headers.get('content-disposition'), `attachment; filename="${object!.key.split('/').at(-1)}"`)
  assert.equal(response.headers.get('content-type'), 'application/octet-stream')
  assert.match(await response.text(), /"prompt":"1\+1\?"/)
  const refused = await read('tenants/default/datasets/other.jsonl')
  const { error } = (await refused.json()) as { error: { code: string; param: string; message: string } }
  assert.deepEqual([refused.status, error.code, error.param], [404, 'not_found', 'key'])
  assert.match(error.message, /^`key`: this job's inputs have no such object\./)
  await done()
})

describe("a job's judges", () => {
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  const ids: Record<string, string> = {}
  const config = { steps: 4, learning_rate: 0.001, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 9, max_new_tokens: 9 } // prettier-ignore
  const grpo = (reward: object) => ({ type: 'grpo', model: 'student', data: { labelled: 'pairs' }, reward, config })
  before(async () => {
    for (const name of ['one', 'two', 'alone']) ids[name] = (await app.json('/v1/judges', { json: { name, provider } })).id
    const both = { name: 'both', provider: { type: 'ensemble', judges: ['one', 'two'] } }
    ids.both = (await app.json('/v1/judges', { json: both })).id
  }) // prettier-ignore

  test('are the one it names, those of an ensemble and the reranker; no other may be asked', async () => {
    const items = [{ question: '2 + 3?', answer: 'It is 5.' }]
    const ensemble = await leased(grpo({ lambda: 0, mu: 1, judge: 'both' }))
    for (const judge of [ids.both, ids.one, ids.two])
      assert.equal((await ensemble.post('judgments', { judge, items })).data[0].outcome, 'scored')
    const { error } = await ensemble.post('judgments', { judge: ids.alone, items }, 422)
    assert.deepEqual([error.code, error.param], ['unprocessable', 'judge'])
    assert.match(error.message, /^`judge` is not the judge of this job/)
    await ensemble.done()
    const reranked = await leased(grpo({ lambda: 0, mu: 0.5, rho: 0.5, judge: 'one', reranker: 'alone' }))
    for (const judge of [ids.one, ids.alone]) await reranked.post('judgments', { judge, items })
    await reranked.post('judgments', { judge: ids.two, items }, 422)
    await reranked.done()
    const judgeless = await leased()
    await judgeless.post('judgments', { judge: ids.one, items }, 422)
    await judgeless.done()
  })

  test('are paid for by the key that made the job', async () => {
    const limits = { budget: { items: 3, per: 'day' } }
    const { key } = await app.json('/v1/keys', { json: { scopes: ['train'], ...limits } })
    const { post, done } = await leased(grpo({ lambda: 0, mu: 1, judge: 'alone' }), { key })
    const ask = (answers: string[], status = 200) =>
      post('judgments', { judge: ids.alone, items: answers.map((answer) => ({ question: 'paid?', answer })) }, status)
    await ask(['5', '6'])
    assert.equal((await ask(['7', '8'], 429)).error.code, 'budget_spent')
    await ask(['7'])
    await done()
  })

  test('that are asked by the worker itself are reported once by number', async () => {
    const { post, done, id } = await leased(grpo({ lambda: 0, mu: 1, judge: 'two' }))
    const report = (number: number, counts: object, status = 200) =>
      post('judge-usage', { report: number, judge: ids.two, ...counts }, status)
    const used = async () => {
      const { data } = await app.json('/v1/usage')
      const rows = data.filter((row: { judge: string; job: string | null }) => row.judge === ids.two)
      const sum = (name: string) => rows.reduce((total: number, row: Record<string, number>) => total + row[name]!, 0)
      return ['items', 'abstained', 'failed', 'prompt_tokens', 'completion_tokens'].map(sum)
    }
    const before = await used()
    const gained = async () => (await used()).map((count, i) => count - before[i]!)
    const counts = { items: 8, abstained: 2, failed: 1, prompt_tokens: 90, completion_tokens: 7 }
    assert.deepEqual(await report(1, counts), { accepted: 8 })
    assert.deepEqual(await gained(), [8, 2, 1, 90, 7])
    assert.deepEqual(await report(1, counts), { accepted: 8 })
    assert.deepEqual(await gained(), [8, 2, 1, 90, 7], 'the same report again')
    assert.deepEqual(await report(2, { items: 1 }), { accepted: 1 })
    assert.deepEqual(await gained(), [9, 2, 1, 90, 7])
    assert.equal((await app.deps.database.jobs.get(id))!.usageReports, 2)
    assert.equal((await report(3, { judge: ids.one }, 422)).error.param, 'judge')
    await done()
  })
})

test('a checkpoint gives a job all of its tries again', async () => {
  const { id, post, fence } = await leased()
  const error = { code: 'judge_unreachable', message: 'no answer' }
  assert.deepEqual(await post('fail', { error, retryable: true }), { id, state: 'queued' })
  app.clock.time += 3_600_000
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
  assert.deepEqual([job.id, job.fence], [id, fence + 1])
  const tries = async () => (await app.deps.database.jobs.get(id))!.tries
  assert.ok((await tries()) > 0)
  const again = (what: string, json: object) => post(what, { ...json, fence: job.fence })
  await app.json(`/v1/worker/jobs/${id}/uploads/${job.fence}/1/a`, {
    method: 'PUT',
    headers: { 'content-length': '0' },
  })
  const objects = [{ name: 'a', size: 0, sha256: '0'.repeat(64) }]
  const { id: checkpoint } = await again('checkpoints', { step: 1, manifest: { objects, state: {} } })
  assert.match(checkpoint, /^ckpt_\w{24}$/)
  assert.equal(await tries(), 0)
  rings = 0
  assert.deepEqual(await again('checkpoints', { step: 1, manifest: { objects, state: {} } }), { id: checkpoint })
  assert.equal(rings, 0, 'nothing is left to change')
  assert.deepEqual(await again('release', {}), { id, state: 'queued' })
  assert.deepEqual(await again('release', {}), { id, state: 'queued' }, 'told again, as its answer was lost')
  await app.json(`/v1/jobs/${id}/cancel`, { method: 'POST' })
})

test('a job is completed once: said again by its worker it is the same, by another it is stale', async () => {
  const { id, fence, post } = await leased()
  assert.deepEqual(await post('complete', { result: { n: 1 } }), { id, state: 'succeeded' })
  assert.deepEqual(await post('complete', { result: { n: 2 } }), { id, state: 'succeeded' })
  assert.deepEqual((await app.json(`/v1/jobs/${id}`)).result, { n: 1 })
  assert.equal((await post('complete', { fence: fence + 1 }, 409)).error.code, 'stale_fence')
  const failed = await leased()
  const error = { code: 'x', message: 'y' }
  assert.deepEqual(await failed.post('fail', { error }), { id: failed.id, state: 'failed' })
  assert.deepEqual(await failed.post('fail', { error }), { id: failed.id, state: 'failed' })
  await failed.post('release', {}, 409)
})

describe('whose job it is', () => {
  test('the operator’s workers serve everyone, a tenant’s own the tenant', async () => {
    const keyOf = async (tenant: string, scopes: string[]) =>
      (await app.json('/v1/keys', { json: { tenant, scopes } })).key as string
    const key = await keyOf('acme', ['train', 'data'])
    const data = await app.json('/v1/datasets', { key, body: '{"prompt":"1+1?","completion":"2"}', headers: { 'content-type': 'application/jsonl' } }) // prettier-ignore
    await app.json('/v1/models', { key, json: { name: 'student', source: { type: 'local', path: '/models/student' } } })
    const { id } = await app.json('/v1/jobs', { key, json: sftJob(data.id) })
    const lease = (worker: string) => app.request('/v1/worker/lease', { key: worker, json: { worker: 'w' } })
    assert.equal((await lease(await keyOf('other', ['worker']))).status, 204)
    const { job } = (await (await lease('admin-key')).json()) as { job: { id: string; fence: number } }
    assert.equal(job.id, id)
    await app.json(`/v1/worker/jobs/${id}/complete`, { json: { fence: job.fence, result: {} } })
  })

  test('what a worker says of a judge is nothing where its lease is over', async () => {
    const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
    const { id: judge } = await app.json('/v1/judges', { json: { name: 'audited', provider } })
    const { fence, post } = await leased({ type: 'judge.audit', judge: 'audited', dataset })
    const { annotate } = app.deps.database.judges
    const notes: unknown[] = []
    app.deps.database.judges.annotate = async (...of) => void notes.push(of)
    // Its result is not even looked at.
    assert.equal((await post('complete', { fence: fence + 1, result: {} }, 409)).error.code, 'stale_fence')
    assert.equal((await post('complete', { fence: fence + 1, result: { passed: true } }, 409)).error.code, 'stale_fence') // prettier-ignore
    app.deps.database.judges.annotate = annotate
    assert.deepEqual([notes, (await app.json(`/v1/judges/${judge}`)).audit], [[], undefined])
    await post('release', {})
  })
})
