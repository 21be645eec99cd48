import type { CachedJudgment, JudgmentCache } from '../../core/judges/score-items.ts'
import type { TokenUsage } from '../../core/ports.ts'
import type { JudgmentTable, Lookups } from '../database.ts'
import type { Ledger } from './ledger.ts'

/**
 * The cache of judgments, which counts its hits in memory and writes them to the database by {@link flush}, when the
 * ledger is written: a hit itself costs no write. A process that is killed loses what it had not yet written.
 *
 * Judgments go into the ledger with what they cost. Where it cannot be written they are known from its memory.
 */
export class CountedCache {
  readonly #table: JudgmentTable
  readonly #ledger: Ledger
  #pending = new Map<string, Lookups>()
  #written: Promise<void> = Promise.resolve()
  /** Of all judges, since the process began. */
  readonly totals: Lookups = { hits: 0, misses: 0 }

  constructor(table: JudgmentTable, ledger: Ledger) {
    this.#table = table
    this.#ledger = ledger
  }

  /** The cache for one who pays. @param pay enters what was used; it is written with the judgments */
  paidBy(pay: (used: TokenUsage) => void): JudgmentCache {
    return {
      getMany: async (judge, keys) => {
        const known = await this.#find(judge, keys)
        const counts = { hits: known.size, misses: keys.length - known.size }
        this.totals.hits += counts.hits
        this.totals.misses += counts.misses
        this.#count(judge, counts)
        return known
      },
      putMany: async (judge, entries, used) => {
        pay(used)
        await this.#ledger.keep(judge, entries)
        if (entries.size === 0) return new Map()
        // What was paid for is answered, whatever the database does.
        const kept = await this.#find(judge, [...entries.keys()]).catch(() => new Map<string, CachedJudgment>())
        return new Map([...entries, ...kept])
      },
    }
  }

  /** Forgets a judge's judgments; its lookups stay counted. */
  async clear(judge: string): Promise<void> {
    this.#ledger.forget(judge)
    await this.#table.clear(judge)
  }

  /** Writes what is pending; resolves when that, and what was being written, is in the database. */
  flush(): Promise<void> {
    this.#written = this.#written.catch(() => {}).then(() => this.#write())
    return this.#written
  }

  async #find(judge: string, keys: readonly string[]): Promise<Map<string, CachedJudgment>> {
    const unwritten = this.#ledger.unwritten(keys)
    return new Map([...unwritten, ...(await this.#table.getMany(judge, keys))])
  }

  async #write(): Promise<void> {
    if (this.#pending.size === 0) return
    const leaving = this.#pending
    this.#pending = new Map()
    try {
      await this.#table.addLookups(leaving)
    } catch (error) {
      for (const [judge, counts] of leaving) this.#count(judge, counts)
      throw error
    }
  }

  #count(judge: string, { hits, misses }: Lookups): void {
    const before = this.#pending.get(judge) ?? { hits: 0, misses: 0 }
    this.#pending.set(judge, { hits: before.hits + hits, misses: before.misses + misses })
  }
}
