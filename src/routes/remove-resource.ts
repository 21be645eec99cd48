import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import type { Deps } from './deps.ts'

/**
 * Deletes a tenant's resource unless a job that is not finished needs it.
 * @returns its row as it was
 * @throws GavelError `not_found`, or `conflict` naming the jobs
 */
export async function removeResource<K extends 'judges' | 'recipes' | 'datasets' | 'models'>(
  deps: Deps,
  kind: K,
  tenant: string,
  idOrName: string,
) {
  const row = await findResource(deps.database, kind, tenant, idOrName, 'id')
  await refuseWhileUsed(deps, tenant, row.id)
  await deps.database[kind].remove(tenant, row.id, deps.clock.now())
  return row
}

/** @throws GavelError `conflict` naming the unfinished jobs that need the resource, themselves or by what is made of it */
export async function refuseWhileUsed(deps: Deps, tenant: string, id: string): Promise<void> {
  const jobs = await deps.database.jobs.activeWith(tenant, id)
  if (jobs.length === 0) return
  throw new GavelError(
    'conflict',
    `${id} is used by ${jobs.join(', ')}. Wait for them to end or cancel them, then delete it.`,
    {
      param: 'id',
    },
  )
}
