import { open } from 'node:fs/promises'
import { GavelError } from '../../core/errors.ts'
import type { ObjectEntry } from '../../core/schemas/checkpoint.ts'
import type { Upload } from '../../core/schemas/worker.ts'
import { LeaseLost, type WorkerApi } from './worker-api.ts'

/** Parts that are on their way at once, each of them twice in memory. */
const LANES = 2
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
  for (let attempt = 1; ; attempt++) {
    const [place] = await job.uploads(step, [object])
    const { parts } = place!
    try {
      if (parts)
        await job.finishUpload(step, object, parts.upload, await sendParts(api, place!, { object, path, signal }))
      else await api.upload(place!, () => readPart(path, 0, object.size), signal)
      return
    } catch (error) {
      if (parts && !(error instanceof LeaseLost)) await job.abortUpload(step, object.name, parts.upload).catch(() => {})
      const mayBeStale = error instanceof GavelError && !error.retryable
      if (!mayBeStale || attempt === TRIES) throw error
    }
  }
}

/** @returns the ETags of all parts, in order */
async function sendParts(
  api: WorkerApi,
  place: Upload,
  { object, path, signal }: { object: ObjectEntry; path: string; signal: AbortSignal | null },
): Promise<string[]> {
  const { bytes, urls } = place.parts!
  const etags: string[] = []
  const failed = new AbortController()
  const either = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])])
  const left = urls.entries()
  const lane = async () => {
    for (const [i, url] of left) {
      const from = i * bytes
      const size = Math.min(bytes, object.size - from)
      const answer = await api.upload({ ...place, url }, () => readPart(path, from, size), either)
      // Unread, it would keep its connection.
      await answer.arrayBuffer()
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

/** Bytes of a file. (`openAsBlob` gives wrong ones from 4 GiB on: it keeps 32 bits of the file's size.) */
export async function readPart(path: string, from: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path)
  try {
    const bytes = new Uint8Array(size)
    for (let done = 0; done < size;) {
      const { bytesRead } = await file.read(bytes, done, size - done, from + done)
      if (bytesRead === 0) throw new Error(`${path} ends before byte ${from + size}; something has cut it since`)
      done += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}
