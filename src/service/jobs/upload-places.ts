import { GavelError } from '../../core/errors.ts'
import { MAX_PARTS } from '../../core/ports.ts'
import { MAX_OBJECTS, type ObjectEntry } from '../../core/schemas/checkpoint.ts'
import type { Upload } from '../../core/schemas/worker.ts'
import type { JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { checkpointPrefix } from './checkpoints.ts'
import { noteUploads, UPLOAD_SECONDS } from './collect.ts'

/** The step of a job that files are uploaded for. */
interface Place {
  job: JobRow
  fence: number
  step: number
}

const MIB = 1024 ** 2

/**
 * Where a worker is to put the files of a checkpoint: at once, or what is larger than a part of the store's, in parts.
 * @throws GavelError `unprocessable` where these are more places than one answer should have
 */
export async function uploadPlaces(deps: Deps, place: Place, objects: readonly ObjectEntry[]): Promise<Upload[]> {
  const { partBytes } = deps.blobs.parts
  const places = objects.reduce((sum, { size }) => sum + Math.min(MAX_PARTS, Math.ceil(size / partBytes)), 0)
  if (places > MAX_PARTS + MAX_OBJECTS) {
    const message = `\`objects\` would have ${places} parts together; ask for the places of fewer files at once.`
    throw new GavelError('unprocessable', message, { param: 'objects' })
  }
  await noteUploads(deps, place.job)
  return Promise.all(objects.map((object) => uploadPlace(deps, place, object)))
}

async function uploadPlace({ blobs }: Deps, place: Place, { name, size }: ObjectEntry): Promise<Upload> {
  const { job, fence, step } = place
  const key = keyOf(place, name)
  const here = `/v1/worker/jobs/${job.id}/uploads/${fence}/${step}/${name}`
  const rest = { name, key, method: 'PUT', headers: {} } as const
  if (size <= blobs.parts.partBytes) {
    return { ...rest, url: (await blobs.presign(key, 'PUT', UPLOAD_SECONDS)) ?? here }
  }
  const { partBytes } = blobs.parts
  const bytes = size <= partBytes * MAX_PARTS ? partBytes : Math.ceil(size / MAX_PARTS / MIB) * MIB
  const upload = await blobs.parts.begin(key, bytes)
  const urls = Array.from({ length: Math.ceil(size / bytes) }, async (_, i) => {
    const signed = await blobs.parts.presign(key, upload, i + 1, UPLOAD_SECONDS)
    return signed ?? `${here}?${new URLSearchParams({ upload, part: String(i + 1) })}`
  })
  return { ...rest, parts: { upload, bytes, urls: await Promise.all(urls) } }
}

/**
 * Makes the parts of a file the file. Once more where that was done before and the answer was lost.
 * @throws GavelError `invalid_request` where they are not all there
 */
export async function finishUpload(
  { blobs }: Deps,
  place: Place,
  { name, size }: ObjectEntry,
  { upload, etags }: { upload: string; etags: readonly string[] },
): Promise<void> {
  const key = keyOf(place, name)
  try {
    await blobs.parts.finish(key, upload, etags)
  } catch (error) {
    const isOver = error instanceof GavelError && error.code === 'invalid_request'
    if (!isOver || (await blobs.head(key))?.size !== size) throw error
  }
}

export const keyOf = ({ job, fence, step }: Place, name: string) => `${checkpointPrefix(job, step, fence)}/${name}`
