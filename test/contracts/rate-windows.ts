/** What every count of rates must do: in memory, on node:sqlite and on D1. */
import assert from 'node:assert/strict'
import type { RateWindows } from '../../src/service/database.ts'

export function rateWindowsContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: () => Promise<RateWindows>,
): void {
  test('rates: a window never holds more than its limit, and the next one begins at nothing', async () => {
    const rates = await open()
    const take = (key: string, units: number, now: number) => rates.take(key, units, 10, 1000, now)
    assert.deepEqual(await take('a', 7, 5000), { taken: true, used: 7 })
    assert.deepEqual(await take('a', 4, 5500), { taken: false, used: 7 })
    assert.deepEqual(await take('a', 3, 5999), { taken: true, used: 10 })
    assert.deepEqual(await take('b', 1, 5999), { taken: true, used: 1 })
    assert.deepEqual(await take('a', 1, 5999), { taken: false, used: 10 })
    assert.deepEqual(await take('a', 2, 6000), { taken: true, used: 2 })
    assert.deepEqual(await take('a', 8, 5999), { taken: true, used: 10 }, 'a clock that is behind')
    assert.deepEqual(await take('a', 1, 5999), { taken: false, used: 10 })
  })

  test('rates: a clock that is put back by more than clocks differ begins a window anew', async () => {
    const rates = await open()
    const take = (units: number, now: number) => rates.take('a', units, 10, 1000, now)
    const later = 86_400_000
    assert.deepEqual(await take(10, later), { taken: true, used: 10 })
    assert.deepEqual(await take(1, later - 60_000), { taken: false, used: 10 })
    assert.deepEqual(await take(6, later - 61_000), { taken: true, used: 6 })
    assert.deepEqual(await take(5, later - 61_000), { taken: false, used: 6 })
  })

  test('rates: of many at the same time, exactly as many as fit are let through', async () => {
    const rates = await open()
    const takes = await Promise.all(Array.from({ length: 30 }, () => rates.take('k', 1, 10, 1000, 1)))
    assert.equal(takes.filter(({ taken }) => taken).length, 10)
  })
}
