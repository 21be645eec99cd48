import type { DatasetLimits } from '../core/datasets/row-checker.ts'
import type { BlobStore, BodyRoom, Clock, Entropy, JobBell, JudgeClient, ProgramHost, Turns } from '../core/ports.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { Checks } from '../core/rewards/checks.ts'
import type { OwnedJudge } from '../core/schemas/worker.ts'
import type { Database, RateWindows } from './database.ts'
import type { SecretBox } from './keys.ts'
import type { Metrics } from './metrics.ts'
import type { RequestLog } from './request-log.ts'
import type { CountedCache } from './usage/counted-cache.ts'
import type { Ledger } from './usage/ledger.ts'

/** Everything the API needs from where it runs. */
export interface Deps {
  database: Database
  blobs: BlobStore
  clock: Clock
  entropy: Entropy
  bell: JobBell
  /** Where verifiers compute; null where that is in the process itself. */
  checks: Checks | null
  /** How requests share the processor. */
  turns: Turns
  /** Room for bodies; null where nobody counts them. */
  bodyRoom: BodyRoom | null
  secrets: SecretBox
  /** SHA-256 of the operator's bootstrap admin key; null when there is none. */
  adminKeySha256: string | null
  /** Whether users may name loopback and private addresses. */
  allowPrivateUrls: boolean
  /**
   * How to ask a judge.
   * @param secret of its provider, decrypted
   * @param local where its provider is `local`: as a worker gets it, but each object's `url` is its blob key
   * @param isProbe to find out what its provider can: with nothing that was learnt before, and without trying again
   * @throws GavelError `unavailable_here` where this process cannot
   */
  judgeClient(judge: Judge, secret: string | null, local: OwnedJudge | null, isProbe?: boolean): JudgeClient
  /** What runs programs that models wrote; null where nothing can. */
  programs: ProgramHost | null
  /** The largest dataset that the operator takes. */
  datasetLimits: DatasetLimits
  /**
   * How long a request of one sample waits for others, to be judged with them, in ms; 0 where requests share nothing.
   */
  judgeWindowMs: number
  /** What was used. Whoever runs the API flushes it. */
  ledger: Ledger
  /** Judgments by content hash: replays cost nothing. Flushed with the ledger. */
  judgments: CountedCache
  /** Counts what keys with a rate send: in memory where one process serves all, else in SQL. */
  rates: RateWindows
  /** Counts what this process does; null where there are too many of them for that. */
  metrics: Metrics | null
  /** Told of every request; null where nobody listens. */
  log: RequestLog | null
  /** Told of every failure that is our own. Never of request bodies. */
  logError(error: unknown, requestId: string): void
}
