import type { UploadRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'
import { removeResource } from '../remove-resource.ts'

type Stores = Pick<Deps, 'database' | 'blobs' | 'clock'>

/** The upload that a dataset came from, and back: they have the same letters, so that completing one twice makes one dataset. */
export const uploadOf = (dataset: string) => dataset.replace(/^ds_/, 'upload_')
export const datasetOf = ({ id }: Pick<UploadRow, 'id'>) => id.replace(/^upload_/, 'ds_')

/** What the keys of the objects that came with a dataset begin with. Versions that were appended to it name them, too. */
export const datasetPrefix = (tenant: string, id: string) => `tenants/${tenant}/datasets/${id}`

/**
 * Deletes a dataset, and its objects as far as no other version shares them. Where the process is killed in between, what
 * is left is swept with the uploads.
 * @returns its row as it was
 * @throws GavelError `not_found`, or `conflict` naming the jobs that need it
 */
export async function deleteDataset(deps: Stores, tenant: string, idOrName: string) {
  const { database, clock } = deps
  const found = await findResource(database, 'datasets', tenant, idOrName, 'id')
  const prefix = datasetPrefix(tenant, '')
  const segments = found.body.segments.map(({ blob }) => blob.slice(prefix.length).split(/[/.]/)[0]!)
  const makers = new Set([found.id, ...segments])
  for (const maker of makers) await database.uploads.leave({ id: uploadOf(maker), tenant }, clock.now())
  const row = await removeResource(deps, 'datasets', tenant, found.id)
  for (const maker of makers) await collectObjects(deps, tenant, maker)
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
