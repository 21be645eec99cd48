import { and, eq, isNull, type SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobRow } from '../../../service/database.ts'
import { mayExist } from '../may-exist.ts'
import { jobs } from '../tables.ts'

/** A tenant's job: of another's, it does not even say that it is there. */
export const findJob = (db: DrizzleD1Database, tenant: string, id: string) => findWhere(db, id, eq(jobs.tenant, tenant))

/** A job of any tenant, for the operator's workers, which serve everyone. */
export const getJob = (db: DrizzleD1Database, id: string) => findWhere(db, id)

async function findWhere(db: DrizzleD1Database, id: string, where?: SQL): Promise<JobRow | null> {
  if (!mayExist(id)) return null
  const [row] = await db
    .select()
    .from(jobs)
    .where(and(eq(jobs.id, id), isNull(jobs.deletedAt), where))
  return row ?? null
}
