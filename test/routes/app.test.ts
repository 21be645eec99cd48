import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HTTPException } from 'hono/http-exception'
import { GavelError } from '../../src/core/errors.ts'
import { createApp } from '../../src/routes/app.ts'
import { Metrics } from '../../src/service/metrics.ts'
import type { RequestEntry } from '../../src/service/request-log.ts'
import { openDatabase, testApp } from '../helpers/test-app.ts'

const RETRY_HEADERS = ['x-should-retry', 'retry-after', 'www-authenticate']

test('a failure of our own is a 500 without its insides, logged under the request id', async () => {
  const logged: [string, string][] = []
  const api = await testApp({ logError: (error, id) => logged.push([(error as Error).message, id]) })
  api.deps.database.models.list = () => Promise.reject(new Error('secret insides at /srv/gavel.ts:3'))
  const response = await api.request('/v1/models', { headers: { 'x-request-id': 'abc' } })
  const text = await response.text()
  assert.equal(response.status, 500)
  assert.ok(!text.includes('insides') && JSON.parse(text).error.code === 'internal')
  assert.deepEqual(logged, [['secret insides at /srv/gavel.ts:3', 'abc']])
  assert.equal(response.headers.get('x-request-id'), 'abc')
  api.close()
})

test('what the database says in our words is answered in them, such as that its disk is full', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-full-'))
  const { database, sqlite, close } = await openDatabase(join(folder, 'gavel.sqlite'))
  const api = await testApp({ database })
  const [[pages]] = (await sqlite.prepare('PRAGMA page_count').raw()) as [[number]]
  sqlite.exec(`PRAGMA max_page_count = ${pages + 2}`)
  const model = { name: 'm', source: { type: 'local', path: `/${'x'.repeat(200)}` } }
  let response = await api.request('/v1/models', { json: model })
  for (let i = 0; i < 200 && response.status === 200; i++) response = await api.request('/v1/models', { json: model })
  assert.equal(response.status, 507)
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  assert.deepEqual(
    [error.code, error.message],
    ['disk_full', 'The disk of the database is full; make room and send the request again.'],
  )
  api.close()
  close()
  rmSync(folder, { recursive: true })
})

test('an error tells clients whether and when to try again, and how to show a key', async () => {
  const api = await testApp()
  const answered = async (error: Error, key?: null) => {
    api.deps.database.models.list = () => Promise.reject(error)
    const response = await api.request('/v1/models', { ...(key === null && { key }) })
    await response.body?.cancel()
    return [response.status, ...RETRY_HEADERS.map((name) => response.headers.get(name))]
  }
  assert.deepEqual(await answered(new GavelError('rate_limited', 'slow down', { retryAfter: 7 })), [429, null, '7', null]) // prettier-ignore
  assert.deepEqual(await answered(new GavelError('rate_limited', 'slow down', { retryAfter: 61 })), [429, 'false', '61', null]) // prettier-ignore
  assert.deepEqual(await answered(new GavelError('conflict', 'no')), [409, 'false', null, null])
  assert.deepEqual(await answered(new GavelError('unprocessable', 'no')), [422, null, null, null])
  assert.deepEqual(await answered(new GavelError('disk_full', 'no')), [507, null, null, null])
  assert.deepEqual(await answered(new Error('never asked'), null), [401, null, null, 'Bearer'])
  api.close()
})

test('only failures of our own are logged as such, and not those of who hung up', async () => {
  const entries: RequestEntry[] = []
  const api = await testApp({ log: { bodies: false, request: (entry) => entries.push(entry) } })
  await api.json('/v1/models/nobody', {}, 404)
  await api.json('/v1/models', { key: null }, 401)
  assert.deepEqual(api.errors, [])
  const failure = new Error('insides')
  api.deps.database.models.list = () => Promise.reject(failure)
  const headers = { authorization: 'Bearer admin-key' }
  const ask = (signal?: AbortSignal) =>
    createApp(api.deps).fetch(new Request('http://gavel.test/v1/models', { headers, ...(signal && { signal }) }))
  await ask(AbortSignal.abort())
  assert.deepEqual(api.errors, [])
  await ask()
  assert.deepEqual(api.errors, [failure])
  assert.deepEqual(entries.map(({ error }) => error), ['not_found', 'unauthorized', 'internal', 'internal']) // prettier-ignore
  api.close()
})

test('what the framework refuses is the request’s fault below 500 and ours from there', async () => {
  const api = await testApp()
  const answered = async (status: 400 | 413 | 500 | 503) => {
    api.deps.database.models.list = () => Promise.reject(new HTTPException(status, { message: 'as Hono says' }))
    const response = await api.request('/v1/models')
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    return [response.status, error.code, error.message === 'as Hono says']
  }
  assert.deepEqual(await answered(400), [400, 'invalid_request', true])
  assert.deepEqual(await answered(413), [400, 'invalid_request', true])
  assert.deepEqual(await answered(500), [500, 'internal', false])
  assert.deepEqual(await answered(503), [500, 'internal', false])
  api.close()
})

test('a batch may be of 16 MiB, any other body of 1 MiB', async () => {
  const api = await testApp()
  const padded = (bytes: number) => `{"items":[]${' '.repeat(bytes - 12)}}`
  const status = async (path: string, bytes: number) => {
    const headers = { 'content-type': 'application/json' }
    const response = await api.request(path, { body: padded(bytes), headers })
    await response.body?.cancel()
    return response.status
  }
  const [small, large] = [2 ** 20, 2 ** 24]
  assert.deepEqual([await status('/v1/judges', small), await status('/v1/judges', small + 1)], [400, 413])
  for (const path of ['/v1/judgments', '/compat/trl/x', '/v1/worker/jobs/x/judgments'])
    assert.deepEqual([await status(path, large), await status(path, large + 1)], [400, 413], path)
  api.close()
})

test('a path that is served by nothing is a 404 that says where to look; a base URL may end with a slash', async () => {
  const api = await testApp()
  const response = await api.request('/v2/models')
  assert.equal(response.status, 404)
  assert.deepEqual(await response.json(), {
    error: {
      message: 'There is nothing at GET /v2/models. GET /docs lists what there is.',
      type: 'not_found_error',
      code: 'not_found',
      param: null,
    },
  })
  assert.match(response.headers.get('x-request-id')!, /^req_\w{24}$/)
  assert.deepEqual((await api.json('/v1/models/')).data, [])
  const refused = await api.request('/t/gvl_secret/compat/trl/x', { method: 'PUT', body: '{}' })
  assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'POST'])
  assert.deepEqual(await refused.json(), {
    error: {
      message: '/t/…/compat/trl/x does not take PUT; use POST.',
      type: 'invalid_request_error',
      code: 'method_not_allowed',
      param: null,
    },
  })
  api.close()
})

test('a key in the path is one on the routes of dialects only', async () => {
  const api = await testApp()
  const { key } = await api.json('/v1/keys', { json: { scopes: ['judge'], path_token: true } })
  const dialect = await api.json(`/t/${key}/compat/trl/nobody`, { key: null, json: { prompts: [], completions: [] } }, 404) // prettier-ignore
  assert.equal(dialect.error.param, 'reward')
  const other = await api.json(`/t/${key}/v1/judges`, { key: null }, 404)
  assert.match(other.error.message, /^There is nothing at GET \/t\/…\/v1\/judges\./)
  api.close()
})

test('an answer tells how a key stands with its rate, also the one that refuses', async () => {
  const api = await testApp()
  const { key } = await api.json('/v1/keys', { json: { scopes: ['judge'], rate: { items: 2, seconds: 60 } } })
  const ask = async () => {
    const response = await api.request('/v1/verify', { key, json: { verifier: 'exact', items: [{ text: 'a', gold: 'a' }] } }) // prettier-ignore
    await response.body?.cancel()
    const left = /r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1]
    return [response.status, left, response.headers.get('retry-after') !== null]
  }
  assert.deepEqual([await ask(), await ask(), await ask()], [[200, '1', false], [200, '0', false], [429, '0', true]]) // prettier-ignore
  api.close()
})

test('what a route answers is sent as JSON, but for what is a response already', async () => {
  const api = await testApp()
  const answered = async (path: string, json?: object) => {
    const response = await api.request(path, json && { json })
    return [response.status, response.headers.get('content-type'), await response.text()] as const
  }
  assert.deepEqual(await answered('/livez'), [200, 'application/json', '{"status":"ok"}'])
  const [status, type, page] = await answered('/docs')
  assert.deepEqual([status, type, page.slice(0, 15)], [200, 'text/html; charset=utf-8', '<!doctype html>'])
  assert.deepEqual(await answered('/v1/worker/lease', { worker: 'w' }), [204, null, ''])
  api.close()
})

test('a request is counted and logged, with who sent it; its body only where that is asked for and it is to be scored', async () => {
  const json = { verifier: 'exact', items: [{ text: 'a', gold: 'a' }] }
  for (const bodies of [true, false]) {
    const entries: RequestEntry[] = []
    const metrics = new Metrics()
    const api = await testApp({ log: { bodies, request: (entry) => entries.push(entry) }, metrics })
    const { id, key } = await api.json('/v1/keys', { json: { scopes: ['judge'] } })
    await api.json('/v1/verify', { key, json })
    await api.json('/livez', { key: null })
    const told = entries.map(({ route, tenant, key, body }) => ({ route, tenant, key, body }))
    assert.deepEqual(told, [
      { route: '/v1/keys', tenant: 'default', key: '', body: undefined },
      { route: '/v1/verify', tenant: 'default', key: id, body: bodies ? json : undefined },
      { route: '/livez', tenant: '', key: '', body: undefined },
    ])
    assert.match(
      await metrics.text(),
      /^gavel_http_requests_total\{method="POST",route="\/v1\/verify",status="200"\} 1$/m,
    )
    api.close()
  }
})

test('an error is told in the form of the dialect that was spoken', async () => {
  const api = await testApp()
  const errors = async (path: string, status: number) => {
    const body = await api.json(path, { json: { inputs: ['q', 'a'], query: 'q', documents: ['a'] } }, status)
    return Object.keys(body)
  }
  assert.deepEqual(await errors('/compat/tei/nobody/predict', 404), ['error', 'error_type'])
  assert.deepEqual(await errors('/compat/sglang/nobody/v1/rerank', 404), ['object', 'message', 'type', 'param', 'code'])
  assert.deepEqual(await errors('/v1/judgments', 400), ['error'])
  api.close()
})
