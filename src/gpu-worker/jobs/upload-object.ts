import { openAsBlob } from 'node:fs'
import { GavelError } from '../../core/errors.ts'
import type { ObjectEntry } from '../../core/schemas/checkpoint.ts'
import type { Upload } from '../../core/schemas/worker.ts'
import { LeaseLost, type WorkerApi } from './worker-api.ts'

/** Parts that are on their way at once. */
const LANES = 4
/** How often the upload of one object is begun: its places may have become invalid. */
const TRIES = 2

type Job = ReturnType<WorkerApi['job']>

/**
 * Uploads one file of a checkpoint of `step`, whole or in parts, of which each is sent again by itself where it was lost.
 * An upload in parts that comes to nothing is given up.
 */
export async function uploadObject(
  api: WorkerApi,
  job: Job,
  step: number,
  { object, path, signal }: { object: ObjectEntry; path: string; signal: AbortSignal | null },
): Promise<void> {
  const file = await openAsBlob(path)
  for (let attempt = 1; ; attempt++) {
    const [place] = await job.uploads(step, [object])
    const { parts } = place!
    try {
      if (parts) await job.finishUpload(step, object, parts.upload, await sendParts(api, file, place!, signal))
      else await api.upload(place!, async () => file, signal)
      return
    } catch (error) {
      if (parts && !(error instanceof LeaseLost)) await job.abortUpload(step, object.name, parts.upload).catch(() => {})
      const mayBeStale = error instanceof GavelError && !error.retryable
      if (!mayBeStale || attempt === TRIES) throw error
    }
  }
}

/** @returns the ETags of all parts, in order */
async function sendParts(api: WorkerApi, file: Blob, place: Upload, signal: AbortSignal | null): Promise<string[]> {
  const { bytes, urls } = place.parts!
  const etags: string[] = []
  const failed = new AbortController()
  const either = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])])
  const left = urls.entries()
  const lane = async () => {
    for (const [i, url] of left) {
      const answer = await api.upload({ ...place, url }, async () => file.slice(i * bytes, (i + 1) * bytes), either)
      const etag = answer.headers.get('etag')
      if (!etag) {
        const message = `The object store took part ${i + 1} but answered no ETag; something before it takes that away.`
        throw new GavelError('storage_unavailable', message)
      }
      etags[i] = etag
    }
  }
  try {
    await Promise.all(Array.from({ length: LANES }, lane))
    return etags
  } catch (error) {
    failed.abort(error)
    throw error
  }
}
