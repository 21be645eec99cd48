import type { UsageRow } from '../database.ts'

/** The day of a time, in UTC. */
export const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

/** Names a row of the ledger within its tenant. */
export const usageId = ({ day, payer, judge, job }: Pick<UsageRow, 'day' | 'payer' | 'judge' | 'job'>) =>
  `${day}/${payer}/${judge}${job && `/${job}`}`
