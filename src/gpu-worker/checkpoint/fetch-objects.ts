import { createWriteStream, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { GavelError } from '../../core/errors.ts'
import { isOfTheRun } from '../../core/schemas/checkpoint.ts'
import type { Download } from '../../core/schemas/worker.ts'
import { fileSha256 } from './file-sha256.ts'

/** Where objects are read: the API as a worker sees it, or a store. */
export interface ObjectSource {
  download(object: Download): Promise<Response>
}

/**
 * Fetches an object into a file and holds it against its size and hash. Throws `corrupt_model` naming it, and
 * `storage_unavailable` where the connection broke.
 */
export async function fetchObject(source: ObjectSource, object: Download, path: string): Promise<string> {
  mkdirSync(dirname(path), { recursive: true })
  const { body } = await source.download(object)
  const bytes = body ? Readable.fromWeb(body as ReadableStream<Uint8Array>) : Readable.from([])
  await pipeline(bytes, createWriteStream(path)).catch((error: Error) => {
    // What fetch throws where a connection ends before the body does.
    if (!(error instanceof TypeError)) throw error
    throw new GavelError('storage_unavailable', `${object.name} broke off while it was fetched: ${error.message}`, {
      cause: error,
    })
  })
  const [size, sha256] = [statSync(path).size, await fileSha256(path)]
  if (size !== object.size || sha256 !== object.sha256) {
    throw new GavelError(
      'corrupt_model',
      `${object.name}: the stored bytes (${size}, sha256 ${sha256}) are not those that were committed (${object.size}, ${object.sha256}); it was changed since. Restore it, or use another checkpoint or dataset.`,
      { param: object.name },
    )
  }
  return path
}

/** Fetches all objects of a checkpoint into a folder. */
export async function fetchCheckpoint(
  source: ObjectSource,
  objects: readonly Download[],
  folder: string,
): Promise<string> {
  for (const object of objects) await fetchObject(source, object, join(folder, object.name))
  return folder
}

/** Fetches what it takes to use a checkpoint's model. */
export const fetchModel: typeof fetchCheckpoint = (source, objects, folder) =>
  fetchCheckpoint(
    source,
    objects.filter(({ name }) => !isOfTheRun(name)),
    folder,
  )
