import { createReadStream, createWriteStream, existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { GavelError } from '../../core/errors.ts'
import { isOfTheRun } from '../../core/schemas/checkpoint.ts'
import type { Download } from '../../core/schemas/worker.ts'
import { fileSha256 } from './file-sha256.ts'

/** Where objects are read: the API as a worker or as a user sees it, or a store. */
export interface ObjectSource {
  /** @param from the first byte that is wanted; a source that cannot leave any out answers 200 with all */
  download(object: Download, from: number): Promise<Response>
}

/** Requests in a row that bring no byte before a transfer is given up. */
const TRIES = 3

/**
 * Fetches an object into a file and holds it against its size and hash. What is in the file already is taken for its
 * beginning, and only the rest is asked for, after a connection broke as well. Throws `corrupt_model` naming it, and
 * `storage_unavailable` where the connection broke time and again; what came is then left for the next call.
 */
export async function fetchObject(source: ObjectSource, object: Download, path: string): Promise<string> {
  mkdirSync(dirname(path), { recursive: true })
  const before = Math.min(sizeOf(path), object.size)
  await fetchRest(source, object, path)
  const [size, sha256] = [statSync(path).size, await fileSha256(path)]
  if (size === object.size && sha256 === object.sha256) return path
  rmSync(path)
  // What lay there may have been of another object.
  if (before > 0) return fetchObject(source, object, path)
  throw new GavelError(
    'corrupt_model',
    `${object.name}: the stored bytes (${size}, SHA-256 ${sha256}) are not those that were committed (${object.size}, ${object.sha256}); it was changed since. Restore it, or use another checkpoint or dataset.`,
    { param: object.name },
  )
}

async function fetchRest(source: ObjectSource, object: Download, path: string): Promise<void> {
  let broken: Error | null = null
  for (let inVain = 0; !existsSync(path) || sizeOf(path) < object.size;) {
    const from = sizeOf(path)
    const response = await source.download(object, from).catch((error: unknown) => {
      throw broken && error instanceof TypeError ? brokeOff(object, broken) : error
    })
    const partial = response.status === 206
    broken = await append(response.body ?? [], path, partial ? 'a' : 'w')
    // A whole answer is what there is: its size and hash say whether it is right.
    if (!broken && !partial) return
    // What fetch throws where a connection ends before the body does.
    if (broken && !(broken instanceof TypeError)) throw broken
    inVain = sizeOf(path) > from ? 0 : inVain + 1
    if (inVain < TRIES) continue
    throw brokeOff(object, broken)
  }
}

/** Writes what comes, each piece as it comes; answers what broke it off, if anything. */
async function append(body: AsyncIterable<Uint8Array> | [], path: string, flags: 'a' | 'w'): Promise<Error | null> {
  const file = await open(path, flags)
  try {
    for await (const chunk of body) await file.writeFile(chunk)
    return null
  } catch (error) {
    return error as Error
  } finally {
    await file.close()
  }
}

function brokeOff({ name }: Download, cause: Error | null): GavelError {
  const message = `${name} broke off while it was fetched: ${cause?.message ?? 'nothing more came'}`
  return new GavelError('storage_unavailable', message, { cause })
}

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0)

/** Fetches all objects of a checkpoint into a folder. */
export async function fetchCheckpoint(
  source: ObjectSource,
  objects: readonly Download[],
  folder: string,
): Promise<string> {
  for (const object of objects) await fetchObject(source, object, join(folder, object.name))
  return folder
}

/** Fetches the pieces of a dataset into one file. */
export async function fetchDataset(source: ObjectSource, objects: readonly Download[], path: string): Promise<string> {
  const piece = `${path}.piece`
  for (const object of objects) {
    await fetchObject(source, object, piece)
    await pipeline(createReadStream(piece), createWriteStream(path, { flags: 'a' }))
    rmSync(piece)
  }
  return path
}

/** Fetches what it takes to use a checkpoint's model. */
export const fetchModel: typeof fetchCheckpoint = (source, objects, folder) =>
  fetchCheckpoint(
    source,
    objects.filter(({ name }) => !isOfTheRun(name)),
    folder,
  )
