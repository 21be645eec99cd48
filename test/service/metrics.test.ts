import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from '../../src/service/metrics.ts'
import { readMetrics } from '../helpers/read-metrics.ts'

test('requests are counted by route and status, with a histogram of their durations', async () => {
  const metrics = new Metrics()
  for (const [status, seconds] of [[200, 0.0004], [200, 0.001], [200, 0.02], [429, 99]] as const) {
    metrics.begin()
    metrics.end('POST', '/v1/rewards', status, seconds)
  } // prettier-ignore
  metrics.begin()
  const { samples } = readMetrics(await metrics.text())
  assert.equal(samples.get('gavel_http_requests_total{method="POST",route="/v1/rewards",status="200"}'), 3)
  assert.equal(samples.get('gavel_http_requests_total{method="POST",route="/v1/rewards",status="429"}'), 1)
  assert.equal(samples.get('gavel_http_requests_in_flight'), 1)
  const name = 'gavel_http_request_duration_seconds'
  const bucket = (le: string) => samples.get(`${name}_bucket{route="/v1/rewards",le="${le}"}`)
  assert.deepEqual(['0.001', '0.0025', '0.025', '30', '+Inf'].map(bucket), [2, 2, 3, 3, 4])
  assert.equal(samples.get(`${name}_count{route="/v1/rewards"}`), 4)
  assert.ok(Math.abs(samples.get(`${name}_sum{route="/v1/rewards"}`)! - 99.0214) < 1e-9)
})

test('gauges are read when asked for, and hostile labels cannot break the format', async () => {
  const metrics = new Metrics()
  let value = 1
  metrics.add({ name: 'a', help: 'A figure.', read: () => value })
  metrics.add({
    name: 'b_total',
    help: 'B.',
    type: 'counter',
    read: async () => [{ labels: { x: '"\\\n' }, value: 2 }],
  })
  value = 5
  const { samples, types } = readMetrics(await metrics.text())
  assert.equal(samples.get('a'), 5)
  assert.equal(samples.get('b_total{x="\\"\\\\\\n"}'), 2)
  assert.deepEqual([types.get('a'), types.get('b_total')], ['gauge', 'counter'])
})
