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
): Promise<Response> {
  const url = await blobs.presign(key, 'GET', REDIRECT_SECONDS)
  if (url) return new Response(null, { status: 302, headers: { location: url, 'cache-control': 'no-store' } })
  return streamObject(blobs, key, fileName, contentType)
}

/** An object's bytes. @throws GavelError `not_found` when it is gone from the store */
export async function streamObject(
  blobs: BlobStore,
  key: string,
  fileName: string,
  contentType: string,
): Promise<Response> {
  const object = await blobs.stream(key)
  if (!object) {
    throw new GavelError(
      'not_found',
      `${fileName} is gone from the object store. Restore the store, or make it anew.`,
      { param: 'name' },
    )
  }
  return new Response(object.body, {
    headers: {
      'content-type': contentType,
      'content-length': String(object.size),
      'content-disposition': `attachment; filename="${fileName}"`,
      'x-content-type-options': 'nosniff',
    },
  })
}
