import { GavelError } from '../../core/errors.ts'
import type { CachedJudgment } from '../../core/judges/score-items.ts'
import { NOTHING_USED, sumOf, type UsageCounts } from '../../core/judges/usage-counts.ts'
import type { Clock, Entropy } from '../../core/ports.ts'
import type { KeyBudget } from '../../core/schemas/key.ts'
import { RESERVATION_MS, type Entry, type Payer, type Spent, type UsageReport, type UsageRow, type UsageTable } from '../database.ts' // prettier-ignore
import { newId } from '../ids.ts'
import { dayOf, usageId } from './usage-id.ts'

/** Most judgments and lines that wait to be written: more are not paid for before these are. */
const MOST_WAITING = 100_000
/** Judgments of one entry. */
const AT_ONCE = 4096
/** Entries that fail in a row before the rest wait for the next time. */
const FAILURES = 3
/** What has no answer for so long, in ms, is sent again. */
const UNANSWERED_MS = 30_000

/** What waits to be written. */
interface Pending {
  /** By tenant and {@link usageId}. */
  rows: Map<string, UsageRow>
  /** By judge. */
  spent: Map<string, Spent>
  /** By key. */
  judgments: Map<string, Entry['judgments'][number]>
  released: string[]
}
/** On its way. */
interface Leaving extends Entry {
  judgments: Entry['judgments']
  /** Since when its answer is waited for. */
  sentAt?: number
  /** The database has refused it by itself. */
  isRefused?: boolean
}
const nothing = (): Pending => ({ rows: new Map(), spent: new Map(), judgments: new Map(), released: [] })

/**
 * The books: what was used, of which budgets, and what was had for it. It is gathered in memory and entered into the
 * database by {@link flush}, in one transaction, once: whoever runs the API calls that once a second and at the end (Node),
 * or after each request (Cloudflare). A judgment is entered at once, with the tokens that it cost: a process that is killed
 * loses neither, and of the rest what it had not yet written. What the database does not take, stays in memory for the next
 * time, and nothing of it is asked or counted twice.
 */
export class Ledger {
  readonly #table: UsageTable
  readonly #clock: Clock
  readonly #entropy: Entropy
  #pending = nothing()
  /** What is on its way, or came back: sent again as it is, since it may have been entered. */
  #leaving: Leaving[] = []
  /** Judgments that are not in the database yet, by key. */
  readonly #unwritten = new Map<string, CachedJudgment>()
  /** Why nothing could be written the last time. */
  #failure: unknown = null
  /** Reservations of this process, and when each has to be renewed. */
  readonly #held = new Map<string, number>()
  /** What was used since the process began, of judges and in verification. */
  readonly totals = { judged: NOTHING_USED, verified: NOTHING_USED }

  constructor(table: UsageTable, clock: Clock, entropy: Entropy) {
    this.#table = table
    this.#clock = clock
    this.#entropy = entropy
  }

  /** @param judge its id; empty for verification */
  add({ tenant, key, job = '' }: Payer, judge: string, counts: UsageCounts): void {
    if (Object.values(counts).every((count) => count === 0)) return
    const total = judge === '' ? 'verified' : 'judged'
    this.totals[total] = sumOf(this.totals[total], counts)
    const row = { tenant, day: dayOf(this.#clock.now()), payer: key, judge, job, ...counts }
    const id = `${tenant}/${usageId(row)}`
    this.#pending.rows.set(id, { ...row, ...sumOf(this.#pending.rows.get(id) ?? NOTHING_USED, row) })
  }

  /** Adds to what was spent on a judge. */
  spend(judge: string, more: Spent): void {
    const before = this.#pending.spent.get(judge) ?? { tokens: 0, cost: 0 }
    this.#pending.spent.set(judge, plus(before, more))
  }

  /**
   * Keeps judgments, with what was added before: in the database when this resolves, or else in memory.
   * @param judge the version that gave them
   */
  async keep(judge: string, entries: ReadonlyMap<string, CachedJudgment>): Promise<void> {
    for (const [key, value] of entries) {
      // Of two that were had at the same time, the first.
      if (this.#unwritten.has(key)) continue
      this.#unwritten.set(key, value)
      this.#pending.judgments.set(key, { key, judge, value })
    }
    await this.flush().catch(() => {})
  }

  /** Judgments among these that are not in the database yet. */
  unwritten(keys: readonly string[]): Map<string, CachedJudgment> {
    if (this.#unwritten.size === 0) return new Map()
    return new Map(
      keys.flatMap((key) => {
        const value = this.#unwritten.get(key)
        return value ? [[key, value] as const] : []
      }),
    )
  }

  /** Forgets judgments of a judge that are not in the database yet. */
  forget(judge: string): void {
    const pending = [...this.#pending.judgments.values()]
    const forgotten = [...this.#leaving.flatMap(({ judgments }) => judgments), ...pending].filter(
      (one) => one.judge === judge,
    )
    for (const { key } of forgotten) this.#unwritten.delete(key)
    for (const { key } of forgotten) this.#pending.judgments.delete(key)
    for (const entry of this.#leaving) entry.judgments = entry.judgments.filter((one) => one.judge !== judge)
  }

  /** To be called before something is paid for. @throws what keeps the books from being written, when no more fits into memory */
  refuseWhenFull(): void {
    const lines = this.#leaving.reduce((sum, { rows }) => sum + rows.length, this.#pending.rows.size)
    if (this.#unwritten.size + lines >= MOST_WAITING && this.#failure !== null) throw this.#failure as Error
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

  /**
   * Reserves items for a key with a budget until the returned function is called, which counts as used what was added by
   * then, and no more. Null where the budget does not allow for them.
   * @param sinceDay the first day of the budget's period
   */
  async reserve(payer: Payer, budget: KeyBudget, items: number, sinceDay: string): Promise<(() => void) | null> {
    const id = newId('rsv', this.#entropy)
    const ask = () => {
      const unwritten = this.#unwrittenUse(payer, sinceDay)
      return this.#table.reserve({ id, payer, items, sinceDay, unwritten, now: this.#clock.now() }, budget)
    }
    // Some of what is reserved may be over, and not yet written.
    const flushed = () => this.flush().catch(() => {})
    if (!(await ask()) && !(await flushed().then(ask))) return null
    this.#held.set(id, this.#clock.now() + RESERVATION_MS / 2)
    return () => {
      if (!this.#held.delete(id)) return
      this.#pending.released.push(id)
      // At once, so that other processes need not wait for the next time. Who flushes then tells of what fails.
      this.flush().catch(() => {})
    }
  }

  /**
   * Writes what is pending, and again what came back. It waits for no other call's writing, which may never end: at the edge,
   * that of a request whose client has left. What was sent and has no answer for long is sent again; it is entered once.
   */
  async flush(): Promise<void> {
    const now = this.#clock.now()
    this.#leaving.push(...this.#taken())
    const waiting = this.#leaving.filter(
      ({ sentAt }) => sentAt === undefined || now < sentAt || now - sentAt > UNANSWERED_MS,
    )
    // A line that can never be written must not keep back the others: it waits behind them, and is tried after them.
    const failures = [
      await this.#enterAll(waiting.filter(({ isRefused }) => !isRefused)),
      await this.#enterAll(waiting.filter(({ isRefused }) => isRefused)),
    ]
    this.#failure = failures.find((failure) => failure !== null) ?? null
    await this.#renew(now)
    if (this.#failure !== null) throw this.#failure as Error
  }

  /** Enters what it can of some entries. @returns the first failure; null where there is none */
  async #enterAll(entries: readonly Leaving[]): Promise<unknown> {
    let [failure, inARow]: [unknown, number] = [null, 0]
    // Grows while it is gone through: what cannot be entered whole is entered in parts.
    const queue = [...entries]
    for (const entry of queue) {
      entry.sentAt = this.#clock.now()
      const error = await this.#table.enter(entry, entry.sentAt).then(
        () => null,
        (reason: unknown) => reason ?? new Error('the database refused an entry'),
      )
      delete entry.sentAt
      failure ??= error
      if (isPassing(error)) break
      // Sent twice, it may have been entered meanwhile.
      const at = this.#leaving.indexOf(entry)
      if (at < 0) continue
      this.#leaving.splice(at, 1)
      if (error === null) {
        for (const { key } of entry.judgments) this.#unwritten.delete(key)
        inARow = 0
        continue
      }
      const parts = this.#partsOf(entry)
      this.#leaving.push(...parts)
      if (parts.length > 1) queue.push(...parts)
      if (++inARow === FAILURES) break
    }
    return failure
  }

  /** What is pending, as entries. */
  #taken(): Leaving[] {
    const { rows, spent, judgments, released } = this.#pending
    this.#pending = nothing()
    const judged = [...judgments.values()]
    const entries: Leaving[] = []
    const first = {
      rows: [...rows.values()],
      spent: [...spent].map(([judge, more]) => ({ judge, ...more })),
      released,
    }
    if (first.rows.length + first.spent.length + released.length + judged.length > 0)
      entries.push({ ids: [this.#newId()], ...first, judgments: judged.slice(0, AT_ONCE) })
    for (let from = AT_ONCE; from < judged.length; from += AT_ONCE)
      entries.push({ ids: [this.#newId()], ...NO_ENTRY, judgments: judged.slice(from, from + AT_ONCE) })
    return entries
  }

  #partsOf({ ids, rows, spent, judgments, released }: Entry): Leaving[] {
    const parts: Partial<Entry>[] = [
      ...rows.map((row) => ({ rows: [row] })),
      ...spent.map((one) => ({ spent: [one] })),
      ...(judgments.length > 0 ? [{ judgments }] : []),
      ...(released.length > 0 ? [{ released }] : []),
    ]
    if (parts.length === 1) return [{ ids, ...NO_ENTRY, ...parts[0], isRefused: true }]
    return parts.map((part) => ({ ids: [this.#newId(), ...ids], ...NO_ENTRY, ...part }))
  }

  #newId(): string {
    return newId('entry', this.#entropy)
  }

  async #renew(now: number): Promise<void> {
    const due = [...this.#held].filter(([, at]) => at <= now).map(([id]) => id)
    if (due.length === 0) return
    await this.#table.renew(due, now)
    for (const id of due) if (this.#held.has(id)) this.#held.set(id, now + RESERVATION_MS / 2)
  }

  /** What a key and its jobs have used of judges since a day: what is written, what is not yet, and items that are being judged. */
  async spent(payer: Payer, sinceDay: string): Promise<UsageCounts> {
    const [written, reserved] = [
      await this.#table.spent(payer, sinceDay),
      await this.#table.reserved(payer, this.#clock.now()),
    ]
    return sumOf(sumOf(written, this.#unwrittenUse(payer, sinceDay)), { ...NOTHING_USED, items: reserved })
  }

  #unwrittenUse({ tenant, key }: Payer, sinceDay: string): UsageCounts {
    return [...this.#leaving.flatMap(({ rows }) => rows), ...this.#pending.rows.values()]
      .filter((row) => row.tenant === tenant && row.payer === key && row.judge !== '' && row.day >= sinceDay)
      .reduce(sumOf, NOTHING_USED)
  }

  /** What was spent on a judge that is not written yet. */
  unwrittenSpent(judge: string): Spent {
    const leaving = this.#leaving.flatMap(({ spent }) => spent.filter((one) => one.judge === judge))
    return [...leaving, this.#pending.spent.get(judge) ?? { tokens: 0, cost: 0 }].reduce(plus, { tokens: 0, cost: 0 })
  }
}

const NO_ENTRY = { rows: [], spent: [], judgments: [], released: [] }

const plus = (a: Spent, b: Spent): Spent => ({ tokens: a.tokens + b.tokens, cost: a.cost + b.cost })

/** Whether nothing at all can be written just now. */
const isPassing = (error: unknown) => error instanceof GavelError && error.retryable
