import type { Page, Paged, Spent } from '../database.ts'
import type { ScoredItem } from '../judges/score.ts'

/** Who pays: an API key, itself or by a job that it made. */
export interface Payer {
  tenant: string
  /** Its id; empty for the operator's bootstrap key. */
  key: string
  /** The job's id; absent where the key asks itself. */
  job?: string | undefined
}

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

/** One line of the ledger: what a key or one of its jobs used of a judge on a day. */
export interface UsageRow extends UsageCounts {
  tenant: string
  /** In UTC: `2026-11-25`. */
  day: string
  /** Id of the key. */
  payer: string
  /** Id of the judge; empty for verification, which needs none. */
  judge: string
  /** Empty where the key asked itself. */
  job: string
}

/** What a worker says that a local judge was used for. A report counts once, however often it comes. */
export interface UsageReport {
  job: string
  fence: number
  /** Grows with each report under a fence. */
  number: number
}

/** Where the ledger is kept. */
export interface UsageTable {
  /** Adds to what there is, all rows in one statement. */
  add(rows: readonly UsageRow[]): Promise<void>
  /**
   * Adds what a report says, unless it was counted before or its lease is lost; answers whether it did.
   * @param spent what goes to the judge's budget, where it has one
   */
  addReport(report: UsageReport, row: UsageRow, spent: Spent | null): Promise<boolean>
  /** What a key and its jobs have used of all judges since a day, verification apart. */
  spent(payer: Payer, sinceDay: string): Promise<UsageCounts>
  /** Newest day first; of one key where one is given. The cursor is {@link usageId}. */
  list(tenant: string, page: Page & { from: string; to: string; payer?: string | undefined }): Promise<Paged<UsageRow>>
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

/** The day of a time, in UTC. */
export const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

/** Names a row of the ledger within its tenant. */
export const usageId = ({ day, payer, judge, job }: Pick<UsageRow, 'day' | 'payer' | 'judge' | 'job'>) =>
  `${day}/${payer}/${judge}${job && `/${job}`}`
