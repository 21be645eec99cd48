import type { CountedCache } from './counted-cache.ts'
import type { Ledger } from './ledger.ts'

/** Writes what was counted in memory, and tells where that fails: it is kept then, for the next time. */
export async function writeCounts(counts: {
  ledger: Ledger
  judgments: CountedCache
  logError(error: unknown, source: string): void
}): Promise<void> {
  const { ledger, judgments, logError } = counts
  await Promise.all([ledger.flush(), judgments.flush()]).catch((error: unknown) => logError(error, 'ledger'))
}
