import { sql, type SQL } from 'drizzle-orm'
import type { Lease } from '../../../service/database.ts'

/**
 * A condition that holds while a worker has its job: under this fence, running, and not deleted.
 *
 * It stands in the statement that writes what the worker sends. Asked before, it would leave a gap in which another
 * worker claims the job, and the numbers of two runs would mix. That the lease's time is up does not matter: until
 * somebody claims the job, it is still the worker's.
 */
export const leaseHolds = ({ job, fence }: Lease): SQL =>
  sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${job} AND fence = ${fence} AND state = 'running' AND deleted_at IS NULL)`
