import type { CachedJudgment, JudgmentCache } from '../../core/judges/score-items.ts'
import type { JudgmentTable, Lookups } from '../database.ts'

/**
 * The cache of judgments, which counts its hits in memory and writes them to the database by {@link flush}, when the
 * ledger is written: a hit itself costs no write. A process that is killed loses what it had not yet written.
 */
export class CountedCache implements JudgmentCache {
  readonly #table: JudgmentTable
  #pending = new Map<string, Lookups>()
  #written: Promise<void> = Promise.resolve()
  /** Of all judges, since the process began. */
  readonly totals: Lookups = { hits: 0, misses: 0 }

  constructor(table: JudgmentTable) {
    this.#table = table
  }

  async getMany(judge: string, keys: readonly string[]): Promise<Map<string, CachedJudgment>> {
    const known = await this.#table.getMany(judge, keys)
    const counts = { hits: known.size, misses: keys.length - known.size }
    this.totals.hits += counts.hits
    this.totals.misses += counts.misses
    this.#count(judge, counts)
    return known
  }

  putMany(judge: string, entries: ReadonlyMap<string, CachedJudgment>): Promise<Map<string, CachedJudgment>> {
    return this.#table.putMany(judge, entries)
  }

  /** Writes what is pending; resolves when that, and what was being written, is in the database. */
  flush(): Promise<void> {
    this.#written = this.#written.catch(() => {}).then(() => this.#write())
    return this.#written
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
