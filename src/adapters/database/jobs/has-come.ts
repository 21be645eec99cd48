import { between, not, type SQL } from 'drizzle-orm'
import { FARTHEST_MS } from '../../../service/jobs/transitions.ts'
import type { jobs } from '../tables.ts'

/**
 * Whether a time, until which nobody may take a job, is over. So is one that is farther away than any that is ever set: it was
 * set by a clock that ran ahead, and the job would wait for years.
 * @param from the first time that is not over
 */
export const hasCome = (time: typeof jobs.leaseExpiresAt | typeof jobs.notBefore, now: number, from = now): SQL =>
  not(between(time, from, now + FARTHEST_MS))
