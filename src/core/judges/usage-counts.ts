import type { ScoredItem } from './score-items.ts'

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
  cost: 0,
}

const FIELDS = Object.keys(NOTHING_USED) as (keyof UsageCounts)[]

export function sumOf(a: UsageCounts, b: UsageCounts): UsageCounts {
  const sum = { ...NOTHING_USED }
  for (const field of FIELDS) sum[field] = a[field] + b[field]
  return sum
}

/** What a judge's answers used. */
export function countScored(scored: readonly Pick<ScoredItem, 'outcome' | 'cached' | 'usage'>[]): UsageCounts {
  const counts = { ...NOTHING_USED, items: scored.length }
  for (const { outcome, cached, usage } of scored) {
    if (cached) counts.cached++
    if (outcome === 'abstained') counts.abstained++
    if (outcome === 'failed') counts.failed++
    counts.promptTokens += usage.promptTokens
    counts.completionTokens += usage.completionTokens
  }
  return counts
}
