/** What operators see: metrics and the log. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiGauges, processGauges } from '../../src/adapters/node/process-gauges.ts'
import { Metrics } from '../../src/service/metrics.ts'
import type { RequestEntry } from '../../src/service/request-log.ts'
import { countingJudge } from '../contracts/api.ts'
import { readMetrics } from '../helpers/read-metrics.ts'
import { testApp } from '../helpers/test-app.ts'

const TEXT = 'a very private question'
const judge = {
  name: 'j',
  provider: { type: 'openai', base_url: 'https://judge.example/v1', model: 'm', api_key: 'sk-1' },
}
const items = ['5', '6', 'nothing', 'boom'].map((answer) => ({ question: TEXT, answer }))

test('metrics: what was answered, judged and verified; for keys of scope metrics', async () => {
  const metrics = new Metrics()
  const app = await testApp({ judgeClient: countingJudge().judgeClient, metrics })
  metrics.add(...apiGauges({ ...app.deps, jobs: app.deps.database.jobs }), ...processGauges())
  const { key } = await app.json('/v1/keys', { json: { scopes: ['metrics'] } })
  await app.json('/v1/judges', { json: judge })
  for (let i = 0; i < 2; i++) await app.json('/v1/judgments', { json: { judge: 'j', items } })
  await app.json('/v1/verify', { json: { verifier: 'math', items: [{ text: '5', gold: '5' }] } })
  await app.json('/nowhere', {}, 404)
  await app.json('/v1/judges', { key }, 403)
  const response = await app.request('/metrics', { key })
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  const { samples } = readMetrics(text)
  assert.equal(samples.get('gavel_http_requests_total{method="POST",route="/v1/judgments",status="200"}'), 2)
  assert.equal(samples.get('gavel_http_requests_total{method="GET",route="none",status="404"}'), 1)
  assert.equal(samples.get('gavel_http_requests_in_flight'), 1, 'this one')
  assert.equal(samples.get('gavel_judged_items_total{outcome="scored",cached="false"}'), 2)
  assert.equal(samples.get('gavel_judged_items_total{outcome="scored",cached="true"}'), 2)
  assert.equal(samples.get('gavel_judged_items_total{outcome="abstained",cached="false"}'), 2)
  assert.equal(samples.get('gavel_judged_items_total{outcome="failed",cached="false"}'), 2)
  assert.equal(samples.get('gavel_judgment_cache_lookups_total{result="hit"}'), 2)
  assert.equal(samples.get('gavel_judgment_cache_lookups_total{result="miss"}'), 6)
  assert.equal(samples.get('gavel_verified_items_total'), 1)
  assert.ok(samples.get('process_resident_memory_bytes')! > 1e7 && samples.get('process_cpu_seconds_total')! > 0)
  assert.ok(!text.includes(TEXT) && !text.includes('key_'))
  const other = await app.json('/v1/keys', { json: { tenant: 'acme', scopes: ['metrics'] } })
  await app.json('/metrics', { key: other.key }, 403)
  await app.json('/metrics', { key: null }, 401)
  app.close()
})

test('the log: who did what with what success, and nothing of what was written unless that was asked for', async () => {
  for (const bodies of [false, true]) {
    const entries: RequestEntry[] = []
    const log = { bodies, request: (entry: RequestEntry) => entries.push(entry) }
    const app = await testApp({ judgeClient: countingJudge().judgeClient, log })
    await app.json('/v1/judges', { json: judge })
    await app.json('/v1/judgments', { json: { judge: 'j', items }, headers: { 'x-request-id': 'mine' } })
    await app.json('/v1/verify', { json: { verifier: 'math', items: [{ text: 3, gold: TEXT }] } }, 400)
    await app.json('/v1/verify', { key: 'gvl_wrong', json: {} }, 401)
    const [made, judged, refused, unknown] = entries
    assert.deepEqual({ ...judged, ms: 0, body: 0 }, {
      request_id: 'mine', method: 'POST', route: '/v1/judgments', status: 200, ms: 0, tenant: 'default', key: '', body: 0,
    }) // prettier-ignore
    assert.ok(judged!.ms > 0)
    assert.deepEqual([refused!.error, refused!.param], ['invalid_request', 'items[0].text'])
    assert.deepEqual([unknown!.tenant, unknown!.error, unknown!.status], [null, 'unauthorized', 401])
    assert.equal(JSON.stringify(entries).includes(TEXT), bodies)
    assert.equal(made!.body, undefined, 'bodies with secrets are never logged')
    assert.ok(!/sk-1|gvl_/.test(JSON.stringify(entries)))
    app.close()
  }
})

test('the log has the time until the answer in hundredths of a millisecond, and no route where there is none', async (t) => {
  const entries: RequestEntry[] = []
  const app = await testApp({ log: { bodies: false, request: (entry: RequestEntry) => entries.push(entry) } })
  const times = [1000, 1012.3456, 2000, 2000.004]
  t.mock.method(performance, 'now', () => times.shift() ?? 0)
  await app.json('/livez', { key: null })
  await app.json('/nowhere', { key: null }, 404)
  t.mock.restoreAll()
  const [live, nowhere] = entries
  assert.deepEqual([live!.ms, live!.route, live!.tenant, live!.key], [12.35, '/livez', '', ''])
  assert.deepEqual([nowhere!.ms, nowhere!.route, nowhere!.tenant, nowhere!.key], [0, null, null, null])
  assert.ok(!('error' in live!) && !('body' in live!))
  app.close()
})
