import type { ScoredItem } from './score-items.ts'
import { sumTokens } from './token-usage.ts'

/** What was used. Every number only grows. */
export interface UsageCounts {
  /** Put before the judge, those included that were known from before. Without a judge: compared with gold. */
  items: number
  /** Of those, known from before: they cost nothing. */
  cached: number
  abstained: number
  failed: number
  promptTokens: number
  completionTokens: number
  /** Calls whose tokens are unknown, and in none of these sums: the provider gave counts that are none. */
  uncounted: number
  /** US dollars, by the prices that the judge was created with. */
  cost: number
}

export const NOTHING_USED: UsageCounts = {
  items: 0,
  cached: 0,
  abstained: 0,
  failed: 0,
  promptTokens: 0,
  completionTokens: 0,
  uncounted: 0,
  cost: 0,
}

const FIELDS = Object.keys(NOTHING_USED) as (keyof UsageCounts)[]

export function sumOf(a: UsageCounts, b: UsageCounts): UsageCounts {
  const sum = { ...NOTHING_USED }
  for (const field of FIELDS) sum[field] = a[field] + b[field]
  return sum
}

/** How a judge's answers came out, without what they took. */
export function countOutcomes(scored: readonly Pick<ScoredItem, 'outcome' | 'cached'>[]): UsageCounts {
  const counts = { ...NOTHING_USED, items: scored.length }
  for (const { outcome, cached } of scored) {
    if (cached) counts.cached++
    if (outcome === 'abstained') counts.abstained++
    if (outcome === 'failed') counts.failed++
  }
  return counts
}

/** How a judge's answers came out, and what they took. */
export const countScored = (scored: readonly Pick<ScoredItem, 'outcome' | 'cached' | 'usage'>[]): UsageCounts => ({
  ...countOutcomes(scored),
  ...sumTokens(scored.map(({ usage }) => usage)),
})
