import { NOTHING_USED, sumOf, type UsageCounts } from '../../core/judges/usage-counts.ts'
import type { Clock } from '../../core/ports.ts'
import type { Payer, Spent, UsageReport, UsageRow, UsageTable } from '../database.ts'
import { dayOf, usageId } from './usage-id.ts'

/**
 * Counts what is used, in memory, and writes it to the database by {@link flush}: whoever runs the API calls that once a
 * second and at the end (Node), or after each request (Cloudflare). A process that is killed loses what it had not yet
 * written.
 */
export class Ledger {
  readonly #table: UsageTable
  readonly #clock: Clock
  #pending = new Map<string, UsageRow>()
  #written: Promise<void> = Promise.resolve()
  /** Items that are being judged, by key. */
  readonly #held = new Map<string, number>()
  /** What was used since the process began, of judges and in verification. */
  readonly totals = { judged: NOTHING_USED, verified: NOTHING_USED }
  /** What {@link flush} is writing. */
  #leaving = new Map<string, UsageRow>()

  constructor(table: UsageTable, clock: Clock) {
    this.#table = table
    this.#clock = clock
  }

  /** @param judge its id; empty for verification */
  add({ tenant, key, job = '' }: Payer, judge: string, counts: UsageCounts): void {
    if (Object.values(counts).every((count) => count === 0)) return
    const total = judge === '' ? 'verified' : 'judged'
    this.totals[total] = sumOf(this.totals[total], counts)
    addTo(this.#pending, { tenant, day: dayOf(this.#clock.now()), payer: key, judge, job, ...counts })
  }

  /**
   * Enters what a worker reports, once, and at once: that it was counted must not be lost where the worker knows it was.
   * @param spent what goes to the judge's budget, where it has one
   */
  async addReport(
    report: UsageReport,
    { tenant, key }: Payer,
    judge: string,
    counts: UsageCounts,
    spent: Spent | null,
  ) {
    const row = { tenant, day: dayOf(this.#clock.now()), payer: key, judge, job: report.job, ...counts }
    if (await this.#table.addReport(report, row, spent)) this.totals.judged = sumOf(this.totals.judged, counts)
  }

  /** Writes what is pending; resolves when that, and what was being written, is in the database. */
  flush(): Promise<void> {
    this.#written = this.#written.catch(() => {}).then(() => this.#write())
    return this.#written
  }

  async #write(): Promise<void> {
    if (this.#pending.size === 0) return
    this.#leaving = this.#pending
    this.#pending = new Map()
    try {
      await this.#table.add([...this.#leaving.values()])
    } catch (error) {
      for (const row of this.#leaving.values()) addTo(this.#pending, row)
      throw error
    } finally {
      this.#leaving = new Map()
    }
  }

  /** What a key and its jobs have used of judges since a day: what is written, what is pending, and items that are being judged. */
  async spent(payer: Payer, sinceDay: string): Promise<UsageCounts> {
    let total = await this.#table.spent(payer, sinceDay)
    for (const row of [...this.#pending.values(), ...this.#leaving.values()]) {
      const counts = row.tenant === payer.tenant && row.payer === payer.key && row.judge !== '' && row.day >= sinceDay
      if (counts) total = sumOf(total, row)
    }
    return { ...total, items: total.items + (this.#held.get(holder(payer)) ?? 0) }
  }

  /** Counts items as used while they are being judged. Returns what ends that. */
  hold(payer: Payer, items: number): () => void {
    const held = (more: number) => {
      const now = (this.#held.get(holder(payer)) ?? 0) + more
      if (now === 0) this.#held.delete(holder(payer))
      else this.#held.set(holder(payer), now)
    }
    held(items)
    return () => held(-items)
  }
}

const holder = ({ tenant, key }: Payer) => `${tenant}/${key}`

function addTo(rows: Map<string, UsageRow>, row: UsageRow): void {
  const id = `${row.tenant}/${usageId(row)}`
  rows.set(id, { ...row, ...sumOf(rows.get(id) ?? NOTHING_USED, row) })
}
