import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, readFile, rename, rm, stat, statfs, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { Readable } from 'node:stream'
import { GavelError } from '../../core/errors.ts'
import type { BlobHead, BlobParts, BlobStore, BlobStream } from '../../core/ports.ts'
import { MAX_OBJECT_BYTES } from '../../core/schemas/checkpoint.ts'
import { folderParts, forgetUnfinished, PART_BYTES } from './folder-parts.ts'

/** Where unfinished writes lie: beside the objects, on the same file system, so that a rename is atomic. */
const UNFINISHED = '.unfinished'

/**
 * A blob store in a folder, one file per object. A write goes to a file of its own, is flushed to the disk, and only
 * then takes its name: after a crash an object is there whole or not at all.
 */
export function folderBlobStore(root: string, { partBytes = PART_BYTES }: { partBytes?: number } = {}): BlobStore {
  const pathOf = (key: string) => join(root, ...checkedKey(key).split('/'))
  const parts = folderParts(join(root, UNFINISHED, 'parts'), pathOf, partBytes)

  async function write(body: Uint8Array | BlobStream): Promise<string> {
    const folder = join(root, UNFINISHED)
    await mkdir(folder, { recursive: true })
    const path = join(folder, randomUUID())
    const file = await open(path, 'wx')
    try {
      const size = body instanceof Uint8Array ? body.length : body.size
      let written = 0
      for await (const chunk of body instanceof Uint8Array ? [body] : chunksOf(body.body)) {
        await file.writeFile(chunk)
        written += chunk.length
      }
      if (written !== size) {
        throw new GavelError('invalid_request', `The body has ${written} bytes instead of ${size}; send it whole.`, {
          param: 'body',
        })
      }
      await file.sync()
      await file.close()
      return path
    } catch (error) {
      await file.close()
      await rm(path, { force: true })
      throw error
    }
  }

  return {
    get: (key) => translated(async () => readFile(pathOf(key)).then(plain).catch(missing)),

    async stream(key, start = 0) {
      const head = await this.head(key)
      if (!head) return null
      const body = Readable.toWeb(createReadStream(pathOf(key), { start })) as unknown as ReadableStream<Uint8Array>
      return { size: head.size, body }
    },

    head: (key) =>
      translated(async () => {
        const found = await stat(pathOf(key)).catch(missing)
        return found?.isFile() ? { key, size: found.size } : null
      }),

    put: (key, body, { ifAbsent = false } = {}) =>
      translated(async () => {
        const path = pathOf(key)
        const unfinished = await write(body)
        try {
          await mkdir(dirname(path), { recursive: true })
          // A link fails where the name is taken, a rename replaces it: both in one step.
          if (ifAbsent) await link(unfinished, path)
          else await rename(unfinished, path)
        } catch (error) {
          if (ifAbsent && (error as NodeJS.ErrnoException).code === 'EEXIST') return false
          throw error
        } finally {
          await rm(unfinished, { force: true })
        }
        await syncFolder(dirname(path))
        return true
      }),

    delete: (key) => translated(async () => void (await unlink(pathOf(key)).catch(missing))),

    list: (prefix) =>
      translated(async () => {
        const names = (await readdir(root, { recursive: true, withFileTypes: true }).catch(missing)) ?? []
        const heads: BlobHead[] = []
        for (const entry of names) {
          const path = join(entry.parentPath, entry.name)
          const key = path.slice(join(root, sep).length).replaceAll(sep, '/')
          if (!entry.isFile() || key.startsWith(`${UNFINISHED}/`) || !key.startsWith(prefix)) continue
          heads.push({ key, size: (await stat(path)).size })
        }
        return heads.sort((a, b) => (a.key < b.key ? -1 : 1))
      }),

    presign: async () => null,

    parts: {
      ...parts,
      begin: (...of: Parameters<BlobParts['begin']>) => translated(() => parts.begin(...of)),
      put: (...of: Parameters<BlobParts['put']>) => translated(() => parts.put(...of)),
      async finish(key, upload, etags) {
        await translated(() => parts.finish(key, upload, etags))
        await syncFolder(dirname(pathOf(key)))
      },
    },

    sweep: () => forgetUnfinished(join(root, UNFINISHED), Date.now()),

    async room() {
      await mkdir(root, { recursive: true })
      const [{ bavail, bsize }, { dev }] = await Promise.all([statfs(root), stat(root)])
      return { objectBytes: MAX_OBJECT_BYTES, freeBytes: bavail * bsize, volume: `${hostname()}/${dev}` }
    },
  }
}

/** @throws GavelError `invalid_request` for a key that could lead out of the folder */
function checkedKey(key: string): string {
  const parts = key.split('/')
  const bad = parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\u0000-\u001f]/.test(part))
  if (bad || parts[0] === UNFINISHED) {
    throw new GavelError('invalid_request', `${JSON.stringify(key.slice(0, 200))} is no key of an object.`, {
      param: 'key',
    })
  }
  return key
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

const plain = (buffer: Buffer) => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

function missing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
  throw error
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new GavelError('disk_full', 'The disk of the object store is full; make room and send the request again.', {
        cause: error,
      })
    }
    if (code === 'ENAMETOOLONG') {
      throw new GavelError('invalid_request', 'The name of the object is too long.', { param: 'key', cause: error })
    }
    throw error
  }
}
