import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { MAX_PARTS, type BlobParts } from '../../core/ports.ts'

/** Less than what is in front of an API lets through (100 MB), and no loss to send again. */
export const PART_BYTES = 32 * 1024 ** 2

/**
 * Objects written in parts, in a folder: each part goes to its place in one file, which takes the object's name when all
 * are there, so that nothing is copied.
 * @param root where unfinished uploads lie: `<key>/<bytes of a part>-<a UUID>`, on the file system of the objects
 * @param pathOf where a key's object goes
 */
export function folderParts(root: string, pathOf: (key: string) => string, partBytes: number): BlobParts {
  const unfinished = (key: string, upload: string) => {
    pathOf(key)
    if (!/^\d{1,15}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(upload)) throw overNow(key)
    return join(root, ...key.split('/'), upload)
  }
  const sizeOf = (upload: string) => Number(upload.slice(0, upload.indexOf('-')))

  return {
    partBytes,

    async begin(key, size) {
      const upload = `${size}-${randomUUID()}`
      const path = unfinished(key, upload)
      await mkdir(dirname(path), { recursive: true })
      await (await open(path, 'wx')).close()
      return upload
    },

    async put(key, upload, number, { size, body }) {
      const path = unfinished(key, upload)
      const each = sizeOf(upload)
      if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS || size > each)
        throw invalid(`Part ${number} of ${size} bytes is none of this upload, whose parts have ${each}.`, 'part')
      const file = await open(path, 'r+').catch(missing(key))
      try {
        await writeAt(file, (number - 1) * each, body, size)
        await file.sync()
      } finally {
        await file.close()
      }
      return `${number}-${size}`
    },

    presign: async () => null,

    async finish(key, upload, etags) {
      const path = unfinished(key, upload)
      const each = sizeOf(upload)
      const sizes = etags.map((etag, i) => Number(new RegExp(`^${i + 1}-(\\d{1,15})$`).exec(etag)?.[1] ?? NaN))
      const wrong = sizes.findIndex((size, i) => !(i < sizes.length - 1 ? size === each : size <= each))
      const file = await open(path, 'r+').catch(missing(key))
      try {
        const whole = sizes.reduce((sum, size) => sum + size, 0)
        if (wrong >= 0 || etags.length === 0 || (await file.stat()).size < whole)
          throw invalid(
            `The parts of ${key} are not those that were sent (part ${wrong + 1}); send them again.`,
            'etags',
          )
        // Of a part that is none of the object, perhaps.
        await file.truncate(whole)
        await file.sync()
      } finally {
        await file.close()
      }
      await mkdir(dirname(pathOf(key)), { recursive: true })
      await rename(path, pathOf(key))
    },

    abort: (key, upload) => rm(unfinished(key, upload), { force: true }),

    async abortAll(prefix, isOver = () => true) {
      for (const { path, key } of await unfinishedUploads(root))
        if (key.startsWith(prefix) && isOver(key)) await rm(path, { force: true })
    },
  }
}

async function unfinishedUploads(root: string): Promise<{ path: string; key: string }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => ({
      path: join(parentPath, name),
      key: parentPath.slice(root.length + 1).replaceAll('\\', '/'),
    }))
}

/** Forgets what was left unfinished, by a crash say, and has not been written to for a day. */
export async function forgetUnfinished(root: string, now: number): Promise<void> {
  for (const { path } of await unfinishedUploads(root)) {
    // One that is finished, or forgotten, at this very moment is not there any more.
    const left = await stat(path).catch(() => null)
    if (left && now - left.mtimeMs > 24 * 3600_000) await rm(path, { force: true })
  }
}

async function writeAt(file: FileHandle, at: number, body: ReadableStream<Uint8Array>, size: number): Promise<void> {
  let written = 0
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    if (written + chunk.length > size) throw notWhole(size, `more than ${size}`)
    for (let done = 0; done < chunk.length;)
      done += (await file.write(chunk, done, chunk.length - done, at + written + done)).bytesWritten
    written += chunk.length
  }
  if (written !== size) throw notWhole(size, String(written))
}

const notWhole = (size: number, found: string) =>
  invalid(`The part has ${found} bytes instead of ${size}; send it whole.`, 'body')
const overNow = (key: string) => invalid(`The upload of ${key} is over, or was never begun; begin anew.`, 'upload')
const invalid = (message: string, param: string) => new GavelError('invalid_request', message, { param })

const missing = (key: string) => (error: NodeJS.ErrnoException) => {
  throw error.code === 'ENOENT' ? overNow(key) : error
}
