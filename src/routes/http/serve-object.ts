import { GavelError } from '../../core/errors.ts'
import type { BlobStore } from '../../core/ports.ts'

/** How long a redirect to the store can be followed, in seconds. */
const REDIRECT_SECONDS = 3600

/** An object of the store: a redirect to it where the store has URLs of its own, else its bytes. */
export async function serveObject(
  blobs: BlobStore,
  key: string,
  fileName: string,
  contentType: string,
  request?: Request,
): Promise<Response> {
  const url = await blobs.presign(key, 'GET', REDIRECT_SECONDS)
  if (url) return new Response(null, { status: 302, headers: { location: url, 'cache-control': 'no-store' } })
  return streamObject(blobs, key, fileName, contentType, request)
}

/**
 * An object's bytes: where `request` asks for all from some byte on (`Range: bytes=N-`), these alone, so that a transfer
 * that broke off can go on. Any other range is answered whole, as HTTP allows.
 * @throws GavelError `not_found` when it is gone from the store
 */
export async function streamObject(
  blobs: BlobStore,
  key: string,
  fileName: string,
  contentType: string,
  request?: Request,
): Promise<Response> {
  const from = Number(/^bytes=(\d{1,15})-$/.exec(request?.headers.get('range') ?? '')?.[1] ?? 0)
  const size = from > 0 ? (await blobs.head(key))?.size : undefined
  if (size !== undefined && from >= size)
    return new Response(null, { status: 416, headers: { 'content-range': `bytes */${size}` } })
  const object = await blobs.stream(key, from)
  if (!object) {
    throw new GavelError(
      'not_found',
      `${fileName} is gone from the object store. Restore the store, or make it anew.`,
      { param: 'name' },
    )
  }
  return new Response(object.body, {
    status: from > 0 ? 206 : 200,
    headers: {
      ...headersOf(object.size - from, fileName, contentType),
      ...(from > 0 && { 'content-range': `bytes ${from}-${object.size - 1}/${object.size}` }),
      'accept-ranges': 'bytes',
    },
  })
}

/** Bytes that come from several objects. Where they break off, so does the response. */
export function streamed(
  { size, chunks }: { size: number; chunks: AsyncGenerator<Uint8Array> },
  fileName: string,
  contentType: string,
): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await chunks.return(undefined)
    },
  })
  return new Response(body, { headers: headersOf(size, fileName, contentType) })
}

const headersOf = (size: number, fileName: string, contentType: string) => ({
  'content-type': contentType,
  'content-length': String(size),
  'content-disposition': `attachment; filename="${fileName}"`,
  'x-content-type-options': 'nosniff',
})
