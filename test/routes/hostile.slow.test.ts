/** Nothing that a client sends is our failure: every answer is a 2xx or one 4xx that names what was wrong. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ROUTES } from '../../src/routes/app.ts'
import { countingJudge, studentAndData } from '../contracts/api.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

let api: TestApp
before(async () => {
  api = await testApp({ judgeClient: countingJudge().judgeClient })
  await studentAndData(api)
})
after(() => api.close())

interface Shown {
  message: string
  type: string
  code: string | number
  param: string
}

/** An error in OpenAI's form, or in that of the server whose dialect a route speaks. */
function errorOf(body: { error: Shown | string; error_type: string } | Shown): Shown {
  if (!('error' in body)) return body
  if (typeof body.error !== 'string') return body.error
  return { message: body.error, type: body.error_type, code: body.error_type, param: '' }
}

/** Sends, and checks the form of the answer. */
async function send(
  path: string,
  call: Parameters<TestApp['request']>[1],
): Promise<{ status: number; code?: string | number; param?: string }> {
  const response = await api.request(path, call)
  const text = await response.text()
  const what = `${call?.method ?? 'GET'} ${path.slice(0, 120)}: ${response.status} ${text.slice(0, 300)}`
  assert.ok(response.status < 500, what)
  assert.deepEqual(api.errors, [], what)
  assert.ok(response.headers.get('x-request-id'), what)
  if (response.status < 400) return { status: response.status }
  const error = errorOf(JSON.parse(text))
  assert.ok(error.message.length > 10 && error.message.length < 2000 && error.type && error.code, what)
  assert.ok(!/\bat .*\.ts:\d+/.test(text), `no stack trace: ${what}`)
  return { status: response.status, code: error.code, param: error.param }
}

const concrete = (path: string) =>
  path
    .replace(/:id/, 'x')
    .replace(/:fence\/:step\/:name/, '1/1/a')
    .replace(/:\w+(\{[^}]*\})?/g, 'x')
const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const BODIES: [string, BodyInit][] = [
  ['nothing', ''],
  ['no JSON', '{"a":'],
  ['a number', '1e999'],
  ['null', 'null'],
  ['an array', '[]'],
  ['a text', '"x"'],
  ['an empty object', '{}'],
  ['deep', `{"a":${deep(100_000)}}`],
  ['no UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
  ['NUL', '{"\\u0000":"\\u0000","judge":"\\u0000","name":"\\u0000"}'],
  ['lone surrogates', '{"name":"\\ud800","judge":"\\udfff","items":[{"question":"\\ud800","answer":"\\udc00"}]}'],
  ['prototype', '{"__proto__":{"admin":true},"constructor":{"prototype":{}}}'],
  ['a long name', JSON.stringify({ name: 'x'.repeat(100_000) })],
]

describe('hostile requests', () => {
  test('every route takes every broken body, with and without a content type', async () => {
    for (const route of ROUTES) {
      if (route.method === 'GET') continue
      for (const [, body] of BODIES) {
        for (const type of ['application/json', undefined, 'text/html', 'multipart/form-data', 'application/jsonl']) {
          const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
          await send(concrete(route.path), { method: route.method, body, headers })
        }
      }
    }
  })

  test('each kind of broken body has its own answer', async () => {
    const post = (body: BodyInit, type = 'application/json', more: Record<string, string> = {}) =>
      send('/v1/judgments', { method: 'POST', body, headers: { 'content-type': type, ...more } })
    assert.deepEqual(await post('{"a":'), { status: 400, code: 'malformed_json', param: 'body' })
    assert.deepEqual(await post(''), { status: 400, code: 'malformed_json', param: 'body' })
    assert.deepEqual(await post(new Uint8Array([0xff])), { status: 400, code: 'malformed_json', param: 'body' })
    assert.equal((await post(`{"judge":${deep(50)}}`)).code, 'unprocessable')
    assert.equal((await post('{}', 'text/html')).status, 415)
    const packed = await post(new Uint8Array([0x1f, 0x8b]), 'application/json', { 'content-encoding': 'gzip' })
    assert.deepEqual(packed, { status: 415, code: 'unsupported_media_type', param: 'Content-Encoding' })
    assert.equal((await post(' '.repeat(17 << 20))).status, 413)
    assert.deepEqual(await post('[]'), { status: 400, code: 'invalid_request', param: 'body' })
  })

  test('queries: unknown, repeated, negative, huge and odd parameters are refused by name', async () => {
    const cases: [string, string][] = [
      ['limit=-1', 'limit'],
      ['limit=0', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=99999999999999999999999', 'limit'],
      ['limit=NaN', 'limit'],
      ['limit=', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['after=nobody', 'after'],
      ['after=%00', 'after'],
      [`after=${'x'.repeat(5000)}`, 'after'],
      ['sort=up', 'sort'],
      ['__proto__=1', '__proto__'],
      ['constructor=1', 'constructor'],
    ]
    for (const route of ROUTES.filter(({ method, query }) => method === 'GET' && query)) {
      if (/:/.test(route.path)) continue
      for (const [query, param] of cases) {
        const answer = await send(`${route.path}?${query}`, {})
        assert.deepEqual(
          [answer.status, answer.param],
          [query.startsWith('after=') && query.length < 100 ? 404 : 400, param],
          `${route.path}?${query}`,
        )
      }
    }
  })

  /** What a path asks for beside its id. */
  const QUERIES = { '/objects/': '?fence=1', '/uploads/:fence': '?upload=u', '/compare': '?with=job_other' }

  test('paths: odd and giant ids are a 404', async () => {
    const ids = [
      '%00',
      '%ff',
      '%2e%2e%2f',
      'x'.repeat(8000),
      '%F0%9F%92%A9',
      "'; DROP TABLE jobs; --",
      '%',
      '__proto__',
      '-1',
    ]
    for (const route of ROUTES.filter(
      ({ path, method }) => path.includes(':id') && method !== 'POST' && method !== 'PUT',
    )) {
      for (const id of ids) {
        const path = concrete(route.path.replace(':id', encodeURI(id).replaceAll('%25', '%')))
        const query = Object.entries(QUERIES).find(([part]) => route.path.includes(part))?.[1] ?? ''
        const { status } = await send(path + query, { method: route.method })
        assert.equal(status, 404, path)
      }
    }
  })

  test('headers: odd keys, ids and cursors', async () => {
    for (const authorization of ['', 'Bearer', 'Basic eDp5', 'Bearer a b', `Bearer ${'x'.repeat(9000)}`, 'Bearer ü']) {
      assert.equal((await send('/v1/jobs', { key: null, headers: { authorization } })).status, 401, authorization)
    }
    const { id } = await api.json('/v1/jobs', {
      json: {
        type: 'sft',
        model: 'student',
        dataset: 'pairs',
        config: { steps: 1, learning_rate: 0, batch_size: 1, max_tokens: 9 },
      },
    })
    const headers = { accept: 'text/event-stream', 'last-event-id': 'x' }
    const broken = await api.request(`/v1/jobs/${id}/events`, { headers })
    assert.equal(broken.status, 404)
    assert.equal((await send(`/v1/jobs/${id}/metrics?after=x`, {})).param, 'after')
    assert.equal((await send(`/v1/jobs/${id}/samples?after=999`, {})).status, 200)
    assert.equal((await send('/v1/jobs', { json: {}, headers: { 'idempotency-key': 'a b' } })).status, 400)
  })

  test('a judge may not be at a private address, nor behind another scheme', async () => {
    const urls = [
      'http://judge.example/v1',
      'https://127.0.0.1/v1',
      'https://[::1]/v1',
      'https://10.0.0.8/v1',
      'https://169.254.169.254/latest',
      'https://localhost/v1',
      'https://2130706433/v1',
      'https://0x7f.1/v1',
      'https://metadata.internal/v1',
      'https://user:pass@judge.example/v1',
      'ftp://judge.example',
      'file:///etc/passwd',
    ]
    for (const base_url of urls) {
      const answer = await send('/v1/judges', { json: { provider: { type: 'openai', base_url, model: 'm' } } })
      assert.deepEqual([answer.status, answer.param], [422, 'provider.base_url'], base_url)
    }
  })

  test('limits: texts, items, sizes of posts', async () => {
    const items = Array.from({ length: 4097 }, () => ({ text: 'x', gold: '1' }))
    assert.equal((await send('/v1/verify', { json: { verifier: 'exact', items } })).param, 'items')
    const long = { verifier: 'exact', items: [{ text: 'x'.repeat(200_001), gold: '1' }] }
    assert.equal((await send('/v1/verify', { json: long })).param, 'items[0].text')
    assert.equal((await send('/v1/judges', { json: { name: 'x'.repeat(2 << 20) } })).status, 413)
  })
})
