import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadableStream } from 'node:stream/web'

/** Requests in a row that bring no byte before a download is given up; 0.25, 0.5 … s lie between them. */
const TRIES = 4
const FIRST_PAUSE_MS = 250

interface FileRequest {
  headers: Record<string, string>
  /** Of the whole file, in bytes. */
  size: number
  onProgress: (done: number) => void
  /** Breaks it off; rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** A server's answer to a request for a file that is no file. */
export class FileRefused extends Error {
  readonly status: number

  constructor(url: string, status: number) {
    super(`${url} answers ${status}`)
    this.status = status
  }
}

/**
 * Fetches a file of known size into `path`. What is there already is taken for its beginning, and only the rest is asked
 * for: so a transfer that breaks is gone on with, here and at the next call. Two that fetch the same file at once write
 * the same bytes to the same places.
 *
 * Throws {@link FileRefused}, and what `fetch` throws once the server no longer answers.
 */
export async function fetchFile(url: string, path: string, { size, signal, ...request }: FileRequest): Promise<void> {
  let done = sizeOf(path)
  if (done > size) done = startOver(path)
  for (let inVain = 0; done < size || !existsSync(path);) {
    const before = done
    try {
      await fetchRest(url, path, before, { size, signal, ...request })
    } catch (error) {
      signal?.throwIfAborted()
      const status = error instanceof FileRefused ? error.status : null
      if (status === 416) startOver(path)
      else if (status !== null && status < 500 && status !== 408 && status !== 429) throw error
      if (sizeOf(path) <= before && inVain + 1 >= TRIES) throw error
    }
    done = sizeOf(path)
    inVain = done > before ? 0 : inVain + 1
    if (inVain >= TRIES) throw new Error(`${url} ends after ${done} of ${size} bytes`)
    if (inVain > 0) await sleep(FIRST_PAUSE_MS * 2 ** (inVain - 1))
  }
}

async function fetchRest(
  url: string,
  path: string,
  from: number,
  { headers, size, onProgress, signal }: FileRequest,
): Promise<void> {
  const response = await fetch(url, {
    headers: { ...headers, ...(from > 0 && { range: `bytes=${from}-` }) },
    signal: signal ?? null,
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new FileRefused(url, response.status)
  }
  // Not every server knows ranges: one that does not sends the file from its beginning.
  const partial = response.status === 206
  if (partial && !response.headers.get('content-range')?.startsWith(`bytes ${from}-`))
    throw new Error(`${url} sends another part than was asked for`)
  let done = partial ? from : 0
  const count = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length
      // Compressed on the way, or endless: the disk must not fill with what the hub did not list.
      if (done > size) return next(new Error(`${url} sends more than the ${size} bytes that the hub lists`))
      onProgress(done)
      next(null, chunk)
    },
  })
  const bytes = response.body ? Readable.fromWeb(response.body as ReadableStream) : Readable.from([])
  const file = createWriteStream(path, { flags: partial ? 'r+' : 'w', start: done })
  await pipeline(bytes, count, file)
}

/** A file's hash as the hub names it: SHA-256, or git's own of a blob where that is of its length. */
export async function fileHash(path: string, like: string): Promise<string> {
  const hash = like.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${sizeOf(path)}\0`)
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0)

function startOver(path: string): number {
  rmSync(path, { force: true })
  return 0
}
