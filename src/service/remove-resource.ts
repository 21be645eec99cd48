import { GavelError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { Database } from './database.ts'
import { findResource } from './find-resource.ts'

/**
 * Deletes a tenant's resource unless a job that is not finished needs it.
 * @returns its row as it was
 * @throws GavelError `not_found`, or `conflict` naming the jobs
 */
export async function removeResource<K extends 'judges' | 'recipes' | 'datasets' | 'models'>(
  { database, clock }: { database: Database; clock: Clock },
  kind: K,
  tenant: string,
  idOrName: string,
) {
  const row = await findResource(database, kind, tenant, idOrName, 'id')
  await refuseWhileUsed(database, tenant, row.id)
  await database[kind].remove(tenant, row.id, clock.now())
  return row
}

/** @throws GavelError `conflict` naming the unfinished jobs that need the resource, themselves or by what is made of it */
export async function refuseWhileUsed(database: Database, tenant: string, id: string): Promise<void> {
  const jobs = await database.jobs.activeWith(tenant, id)
  if (jobs.length === 0) return
  throw new GavelError(
    'conflict',
    `${id} is used by ${jobs.join(', ')}. Wait for them to end or cancel them, then delete it.`,
    {
      param: 'id',
    },
  )
}
