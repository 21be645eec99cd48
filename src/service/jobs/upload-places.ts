import { GavelError } from '../../core/errors.ts'
import { MAX_PARTS, type BlobStream } from '../../core/ports.ts'
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
    const signed = await blobs.presign(key, 'PUT', UPLOAD_SECONDS, { ifAbsent: true })
    return signed ? { ...rest, headers: { 'if-none-match': '*' }, url: signed } : { ...rest, url: here }
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
 * Puts a file of a checkpoint, which nothing writes over afterwards. The same bytes again are harmless: an answer was lost.
 * @param file null for an empty one
 * @throws GavelError `conflict` where it is there with other bytes
 */
export async function putUpload({ blobs }: Deps, key: string, file: BlobStream | null): Promise<void> {
  const there = await blobs.head(key)
  if (!there && (await blobs.put(key, file ?? new Uint8Array(), { ifAbsent: true }))) return
  if (there?.size !== (file?.size ?? 0)) throw isThere(key)
  const stored = file && (await blobs.stream(key))
  if (stored && !(await sameBytes(stored.body, file.body))) throw isThere(key)
}

/** Whether two streams hold the same. Reads both to their ends, or to where they differ. */
async function sameBytes(a: ReadableStream<Uint8Array>, b: ReadableStream<Uint8Array>): Promise<boolean> {
  const readers = [a.getReader(), b.getReader()] as const
  const held: [Uint8Array, Uint8Array] = [new Uint8Array(), new Uint8Array()]
  try {
    for (;;) {
      for (const side of [0, 1] as const) {
        while (held[side].length === 0) {
          const { value, done } = await readers[side].read()
          if (done) break
          held[side] = value
        }
      }
      const length = Math.min(held[0].length, held[1].length)
      if (length === 0) return held[0].length === held[1].length
      for (let i = 0; i < length; i++) if (held[0][i] !== held[1][i]) return false
      held[0] = held[0].subarray(length)
      held[1] = held[1].subarray(length)
    }
  } finally {
    for (const reader of readers) await reader.cancel().catch(() => {})
  }
}

const isThere = (key: string) => {
  const message = `${key} is there with other bytes, and a file of a checkpoint is never written over. Lease the job anew, or commit another step.`
  return new GavelError('conflict', message, { param: 'name' })
}

/**
 * Makes the parts of a file the file. Once more where that was done before and the answer was lost.
 * @throws GavelError `invalid_request` where they are not all there; `conflict` where the file is, in another size
 */
export async function finishUpload(
  { blobs }: Deps,
  place: Place,
  { name, size }: ObjectEntry,
  { upload, etags }: { upload: string; etags: readonly string[] },
): Promise<void> {
  const key = keyOf(place, name)
  if (!(await blobs.head(key))) {
    try {
      return await blobs.parts.finish(key, upload, etags)
    } catch (error) {
      const isOver = error instanceof GavelError && ['invalid_request', 'conflict'].includes(error.code)
      if (!isOver || !(await blobs.head(key))) throw error
    }
  }
  await blobs.parts.abort(key, upload)
  if ((await blobs.head(key))?.size !== size) throw isThere(key)
}

export const keyOf = ({ job, fence, step }: Place, name: string) => `${checkpointPrefix(job, step, fence)}/${name}`
