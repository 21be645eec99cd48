import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { clockTolerance, memoryRateWindows, takeFromRate } from '../../../src/service/usage/rate-windows.ts'
import { rateWindowsContract } from '../../contracts/rate-windows.ts'

describe('rates in memory', () => rateWindowsContract(test, async () => memoryRateWindows()))

test('a rate says how it stands, refuses with the time to wait, and never lets more through than it may', async () => {
  const windows = memoryRateWindows()
  const take = (units: number, now: number) => takeFromRate(windows, 'k', { items: 100, seconds: 60 }, units, now)
  const first = await take(64, 60_000)
  assert.deepEqual(first, {
    headers: { 'ratelimit-policy': '"items";q=100;w=60', ratelimit: '"items";r=36;t=60' },
    refusal: null,
  })
  const second = await take(64, 100_500)
  assert.equal(second.headers.ratelimit, '"items";r=36;t=20')
  assert.deepEqual([second.refusal!.code, second.refusal!.retryAfter], ['rate_limited', 20])
  assert.equal(second.refusal!.message, 'This key may send 100 items in 60 s, and 36 are left of these; the request has 64. Send it again in 20 s.') // prettier-ignore
  assert.equal((await take(64, 120_000)).refusal, null)
  await assert.rejects(take(101, 120_000), { code: 'too_large' })
})

test('clocks may differ by a window, and by a minute where windows are shorter', () => {
  assert.deepEqual([1000, 60_000, 90_000].map(clockTolerance), [60_000, 60_000, 90_000])
})

test('a hundred thousand keys are remembered; for one more all begin anew', async () => {
  const windows = memoryRateWindows()
  const take = async (key: number) => (await windows.take(String(key), 1, 1, 60_000, 0)).taken
  for (let key = 0; key < 100_000; key++) assert.ok(await take(key))
  assert.deepEqual([await take(0), await take(99_999)], [false, false])
  assert.deepEqual([await take(100_000), await take(0)], [true, true])
})
