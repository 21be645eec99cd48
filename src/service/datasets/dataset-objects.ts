import type { Deps } from '../deps.ts'
import { removeResource } from '../remove-resource.ts'

type Stores = Pick<Deps, 'database' | 'blobs' | 'clock'>

/** What the keys of the objects that came with a dataset begin with. Versions that were appended to it name them, too. */
export const datasetPrefix = (tenant: string, id: string) => `tenants/${tenant}/datasets/${id}`

/**
 * Deletes a dataset, and its objects as far as no other version shares them.
 * @returns its row as it was
 * @throws GavelError `not_found`, or `conflict` naming the jobs that need it
 */
export async function deleteDataset(deps: Stores, tenant: string, idOrName: string) {
  const row = await removeResource(deps, 'datasets', tenant, idOrName)
  const prefix = datasetPrefix(tenant, '')
  const makers = row.body.segments.map(({ blob }) => blob.slice(prefix.length).split(/[/.]/)[0]!)
  for (const maker of new Set([row.id, ...makers])) await collectObjects(deps, tenant, maker)
  return row
}

/** Deletes the objects that came with a dataset, or with an upload that never became one, and that no dataset names. */
export async function collectObjects({ database, blobs }: Stores, tenant: string, id: string): Promise<void> {
  const prefix = datasetPrefix(tenant, id)
  const objects = await blobs.list(prefix)
  if (objects.length === 0) return
  // Asked for after the objects were listed: one that is named since was named before it could be deleted here.
  const named = new Set((await database.datasets.segmentsLike(tenant, prefix)).map(({ blob }) => blob))
  for (const { key } of objects) if (!named.has(key)) await blobs.delete(key)
}
