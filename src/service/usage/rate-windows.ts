import { GavelError } from '../../core/errors.ts'
import type { KeyRate } from '../../core/schemas/key.ts'
import type { RateWindows } from '../database.ts'

/**
 * How far before the newest window a clock may be, in ms, and still count into it: clocks of several processes differ.
 * One that is further behind was put back, and begins a window anew, where it would otherwise wait to catch up.
 */
export const clockTolerance = (windowMs: number) => Math.max(windowMs, 60_000)

/** Most windows remembered; more than that many keys with limits in use at once begin anew. */
const MAX_WINDOWS = 100_000

/** For one process, which forgets at its end. */
export function memoryRateWindows(): RateWindows {
  const windows = new Map<string, { start: number; used: number }>()
  return {
    async take(key, units, limit, windowMs, now) {
      const start = now - (now % windowMs)
      let window = windows.get(key)
      if (!window || window.start < start || window.start > start + clockTolerance(windowMs)) {
        if (windows.size >= MAX_WINDOWS) windows.clear()
        window = { start, used: 0 }
        windows.set(key, window)
      }
      const taken = window.used + units <= limit
      if (taken) window.used += units
      return { taken, used: window.used }
    },
  }
}

/** How a key stands with its rate, as response headers: draft-ietf-httpapi-ratelimit-headers-10. */
export type RateHeaders = { 'ratelimit-policy': string; ratelimit: string }

/**
 * Takes a request's items from what its key may send.
 * @throws GavelError `too_large` for more items than the rate ever allows at once
 */
export async function takeFromRate(
  windows: RateWindows,
  key: string,
  { items: limit, seconds }: KeyRate,
  units: number,
  now: number,
): Promise<{ headers: RateHeaders; refusal: GavelError | null }> {
  if (units > limit) {
    const message = `The request has ${units} items, more than the ${limit} that its key may send in ${seconds} s; split it.`
    throw new GavelError('too_large', message, { param: 'body' })
  }
  const windowMs = seconds * 1000
  const { taken, used } = await windows.take(key, units, limit, windowMs, now)
  const reset = Math.ceil((windowMs - (now % windowMs)) / 1000)
  const headers = {
    'ratelimit-policy': `"items";q=${limit};w=${seconds}`,
    ratelimit: `"items";r=${limit - used};t=${reset}`,
  }
  const message = `This key may send ${limit} items in ${seconds} s, and ${limit - used} are left of these; the request has ${units}. Send it again in ${reset} s.`
  return { headers, refusal: taken ? null : new GavelError('rate_limited', message, { retryAfter: reset }) }
}
