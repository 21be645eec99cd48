/** Datasets on their way: opened, given part by part in order, and completed. `createDataset` does it all in one request. */
import { NO_ROWS, RowChecker } from '../../core/datasets/row-checker.ts'
import { GavelError } from '../../core/errors.ts'
import type { NewDataset } from '../../core/schemas/dataset.ts'
import type { WorkBudget } from '../../core/work-budget.ts'
import { RunningSha256 } from '../../core/running-sha256.ts'
import type { DatasetBody, ResourceRow, UploadRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'
import { newId } from '../ids.ts'
import { collectObjects, datasetOf, datasetPrefix } from './dataset-objects.ts'
import { begunBy } from './read-dataset.ts'
import { smallChunks, storeRows } from './store-rows.ts'

/** How long an upload may take, in ms. What is not complete by then is swept away. */
const UPLOAD_MS = 24 * 3_600_000
/** How long after its end an upload is looked after: a part may be on its way, or its process have been killed. */
const GRACE_MS = 1_800_000
/** How long a URL to put a part at can be used, in seconds. */
const URL_SECONDS = 3600

type Dataset = ResourceRow<DatasetBody>
type Bytes = AsyncIterable<Uint8Array>

const prefixOf = (upload: Pick<UploadRow, 'id' | 'tenant'>) => datasetPrefix(upload.tenant, datasetOf(upload))

/** Opens an upload. @throws GavelError `not_found` where there is no dataset to append to */
export async function openUpload(deps: Deps, tenant: string, { name, append_to }: NewDataset): Promise<UploadRow> {
  const { database, blobs, clock, entropy } = deps
  const base = append_to === undefined ? null : await findResource(database, 'datasets', tenant, append_to, 'append_to')
  const begun = base ? await begunBy(blobs, base) : { tally: NO_ROWS, segments: [] }
  return database.uploads.insert({
    id: newId('upload', entropy),
    tenant,
    name: name ?? base?.name ?? null,
    base: base?.id ?? null,
    body: { tally: begun.tally, segments: [...begun.segments], before: null, parts: [] },
    createdAt: clock.now(),
    expiresAt: clock.now() + UPLOAD_MS,
  })
}

/** @throws GavelError `not_found`, also once its time is over */
export async function findUpload({ database, clock }: Deps, tenant: string, id: string): Promise<UploadRow> {
  const row = await database.uploads.find(tenant, id)
  if (row && row.expiresAt >= clock.now()) return row
  const message = `There is no upload ${JSON.stringify(id.slice(0, 100))}, or its day is over. Begin one with POST /v1/dataset_uploads.`
  throw new GavelError('not_found', message, { param: 'id' })
}

/**
 * Adds a part: whole lines, checked as they come. The last part once more, byte for byte, changes nothing.
 * @param part its number, from 1
 * @throws GavelError `conflict` for a part out of order, or one that differs from what was stored; as `storeRows`
 */
export async function addPart(
  deps: Deps,
  upload: UploadRow,
  part: number,
  body: Bytes,
  work: WorkBudget,
): Promise<UploadRow> {
  const { blobs, database, datasetLimits: limits, entropy } = deps
  const { tally, before, segments, parts } = upload.body
  refuseOutOfOrder(upload, part)
  if (part === parts.length) {
    // Its answer was lost, and it is sent again.
    const again = new RowChecker(limits, before!)
    if (before!.open) again.push(Uint8Array.of(10))
    for await (const chunk of smallChunks(body)) {
      if (work.due) await work.turn()
      work.piece(`part ${part}`, () => again.push(chunk))
    }
    if (JSON.stringify(again.end()) === JSON.stringify(tally)) return upload
    throw outOfOrder(`Part ${part} is stored already, with other bytes. Begin a new upload to send others.`)
  }
  // Letters of its own, so that two requests with the same part never write one key.
  const letters = newId('upload', entropy).slice('upload_'.length)
  const stored = await storeRows(blobs, body, {
    begun: { tally, segments },
    limits,
    work,
    keyOf: (n) => `${prefixOf(upload)}/${part}-${letters}-${n}.jsonl`,
  })
  const added = { rows: stored.tally.rows - tally.rows, bytes: stored.tally.bytes - tally.bytes }
  const changed = { ...stored, segments: [...stored.segments], before: tally, parts: [...parts, added] }
  const taken = await database.uploads.swap(upload, { body: changed }).catch(async (error: unknown) => {
    await forget()
    throw error
  })
  if (taken) return { ...upload, body: changed, revision: upload.revision + 1 }
  await forget()
  throw outOfOrder(`Part ${part} came twice at the same time, or ${upload.id} has ended meanwhile. Look at it, and go on from there.`) // prettier-ignore

  async function forget() {
    const own = stored.segments.slice(segments.length)
    await Promise.allSettled(own.map(({ blob }) => blobs.delete(blob)))
  }
}

function refuseOutOfOrder({ id, completedAt, body: { parts } }: UploadRow, part: number): void {
  if (completedAt !== null) throw outOfOrder(`${id} is complete. Begin a new upload for other rows.`)
  if (part === parts.length + 1 || (part === parts.length && part > 0)) return
  throw outOfOrder(`Part ${part} is out of order: ${id} has ${parts.length}, so the next is part ${parts.length + 1}.`)
}

const outOfOrder = (message: string) => new GavelError('conflict', message, { param: 'part' })

const incomingKey = (upload: UploadRow, part: number) => `${prefixOf(upload)}/incoming-${part}`

/** Where a part can be put without going through the API. @throws GavelError `unavailable_here` where the store has no URLs */
export async function urlOfPart({ blobs, clock }: Deps, upload: UploadRow, part: number) {
  refuseOutOfOrder(upload, part)
  const url = await blobs.presign(incomingKey(upload, part), 'PUT', URL_SECONDS)
  if (url) return { method: 'PUT', url, expires_at: Math.floor(clock.now() / 1000) + URL_SECONDS }
  const message = `The object store here has no URLs of its own. Put the part at /v1/dataset_uploads/${upload.id}/parts/${part}.`
  throw new GavelError('unavailable_here', message)
}

/** Takes the part that was put at its URL: what is stored is a copy that nobody can change any more. */
export async function takePart(deps: Deps, upload: UploadRow, part: number, work: WorkBudget): Promise<UploadRow> {
  const key = incomingKey(upload, part)
  const object = await deps.blobs.stream(key)
  if (!object) {
    // Taken before, and the answer was lost.
    if (part <= upload.body.parts.length) return upload
    const message = `Nothing was put at the URL of part ${part}. Ask for the URL, put the part there, then take it.`
    throw new GavelError('unprocessable', message, { param: 'part' })
  }
  const taken = await addPart(deps, upload, part, object.body, work)
  await deps.blobs.delete(key)
  return taken
}

/**
 * Makes a dataset of an upload. Once more, it answers the same dataset.
 * @param parts how many there are to be: one that is missing is told, not left out
 * @throws GavelError `conflict` where parts are missing, or the dataset that was appended to has a newer version by now
 */
export async function completeUpload(deps: Deps, upload: UploadRow, parts: number): Promise<Dataset> {
  const { database } = deps
  const { tenant, body } = upload
  const made = await database.datasets.find(tenant, datasetOf(upload))
  if (made) return made
  if (body.parts.length !== parts) {
    const message = `\`parts\` says ${parts}, and ${upload.id} has ${body.parts.length}. Send what is missing, or say how many there are.`
    throw new GavelError('conflict', message, { param: 'parts' })
  }
  if (parts === 0) throw new GavelError('unprocessable', 'The upload has no part; send one.', { param: 'parts' })
  const closed = upload.completedAt !== null || (await database.uploads.swap(upload, { completedAt: deps.clock.now() }))
  if (!closed) throw outOfOrder(`${upload.id} was changed at the same moment. Look at it, then complete it.`)
  return insertDataset(deps, upload)
}

async function insertDataset({ database, clock }: Deps, upload: UploadRow): Promise<Dataset> {
  const { tenant, name, base, body } = upload
  const id = datasetOf(upload)
  const { tally, segments } = body
  const row = {
    id,
    tenant,
    name,
    body: { ...tally, sha256: new RunningSha256(tally.hash).hex(), segments, ...(base !== null && { base }) },
    secret: null,
    createdAt: clock.now(),
  }
  const inserted = await database.datasets.insert(row).catch(async (error: unknown) => {
    const made = await database.datasets.find(tenant, id)
    // Completed by another request at the same moment.
    if (made) return made
    const taken = /UNIQUE/.test(String((error as Error).cause))
    throw taken
      ? outOfOrder(`${upload.id} was completed, and its dataset ${id} deleted since. Begin a new one.`)
      : error
  })
  if (base === null || (await isNext(database, inserted, base))) return inserted
  await database.datasets.remove(tenant, id, clock.now())
  const message = `${base} has been deleted, or has a newer version by now, whose rows would not be in this one. Append to the newest, or give another \`name\`.`
  throw new GavelError('conflict', message, { param: 'append_to' })
}

/** Whether the dataset that was appended to is still there and, of the same name, the version before. */
async function isNext({ datasets }: Deps['database'], made: Dataset, base: string): Promise<boolean> {
  const found = await datasets.find(made.tenant, base)
  if (!found) return false
  if (made.name === null || found.name !== made.name) return true
  return (await datasets.newestBefore(made.tenant, made.name, made.version))?.id === base
}

/**
 * Ends an upload, and deletes what came of it. One that is complete only ends: its dataset stays. The sweep has another
 * look, for what comes of a part on its way.
 */
export async function abortUpload(deps: Deps, upload: UploadRow): Promise<void> {
  await deps.database.uploads.end(upload.id, deps.clock.now())
  await collectObjects(deps, upload.tenant, datasetOf(upload))
}

/** Deletes what is left of uploads that are over for a while, and of datasets that were deleted; also by a process that was killed. */
export async function sweepUploads({
  database,
  blobs,
  clock,
}: Pick<Deps, 'database' | 'blobs' | 'clock'>): Promise<void> {
  for (const upload of await database.uploads.expired(clock.now() - GRACE_MS)) {
    await collectObjects({ database, blobs, clock }, upload.tenant, datasetOf(upload))
    await database.uploads.remove(upload.id)
  }
}

/** A dataset of one body. Nothing is left where it fails. */
export async function createDataset(
  deps: Deps,
  tenant: string,
  given: NewDataset,
  body: Bytes,
  work: WorkBudget,
): Promise<Dataset> {
  const upload = await openUpload(deps, tenant, given)
  try {
    const made = await completeUpload(deps, await addPart(deps, upload, 1, body, work), 1)
    await deps.database.uploads.remove(upload.id)
    return made
  } catch (error) {
    await collectObjects(deps, tenant, datasetOf(upload))
      .then(() => deps.database.uploads.remove(upload.id))
      .catch(() => {})
    throw error
  }
}
