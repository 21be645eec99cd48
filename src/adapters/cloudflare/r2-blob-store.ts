import { AwsClient } from 'aws4fetch'
import { GavelError } from '../../core/errors.ts'
import type { BlobHead, BlobParts, BlobStore } from '../../core/ports.ts'
import { MAX_OBJECT_BYTES } from '../../core/schemas/checkpoint.ts'
import { s3Parts } from './s3-parts.ts'

/** A Worker takes requests of 100 MB at most on the smaller plans. */
const PART_BYTES = 32 * 1024 ** 2

/** Credentials of R2's S3 endpoint. Without them there are no presigned URLs, and bytes go through the Worker. */
export interface R2Credentials {
  /** `https://<account>.r2.cloudflarestorage.com/<bucket>` */
  url: string
  accessKeyId: string
  secretAccessKey: string
}

/** A blob store in an R2 bucket, by its binding. */
export function r2BlobStore(
  bucket: R2Bucket,
  credentials: R2Credentials | null,
  { partBytes = PART_BYTES }: { partBytes?: number } = {},
): BlobStore {
  const signer = credentials && new AwsClient({ ...credentials, service: 's3', region: 'auto' })

  return {
    async get(key) {
      const object = await translated(bucket.get(key))
      return object && new Uint8Array(await object.arrayBuffer())
    },

    async stream(key, from = 0) {
      const object = await translated(bucket.get(key, from > 0 ? { range: { offset: from } } : {}))
      return object && { size: object.size, body: object.body as ReadableStream<Uint8Array> }
    },

    async head(key) {
      const object = await translated(bucket.head(key))
      return object && { key, size: object.size }
    },

    async put(key, body, { ifAbsent = false, contentType } = {}) {
      const options: R2PutOptions & { onlyIf?: Headers } = {
        ...(contentType !== undefined && { httpMetadata: { contentType } }),
        ...(ifAbsent && { onlyIf: new Headers({ 'if-none-match': '*' }) }),
      }
      if (body instanceof Uint8Array) return (await translated(bucket.put(key, body, options))) !== null
      // R2 must know the length of a stream before it comes.
      const sized = new FixedLengthStream(body.size)
      const [, stored] = await translated(
        Promise.all([body.body.pipeTo(sized.writable), bucket.put(key, sized.readable, options)]),
      )
      return stored !== null
    },

    delete: (key) => translated(bucket.delete(key)),

    async list(prefix) {
      const heads: BlobHead[] = []
      let cursor: string | undefined
      do {
        const page: R2Objects = await translated(bucket.list({ prefix, ...(cursor !== undefined && { cursor }) }))
        heads.push(...page.objects.map(({ key, size }) => ({ key, size })))
        cursor = page.truncated ? page.cursor : undefined
      } while (cursor)
      return heads.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    async presign(key, method, expiresInSeconds) {
      if (!signer || !credentials) return null
      const url = new URL(`${credentials.url}/${key.split('/').map(encodeURIComponent).join('/')}`)
      url.searchParams.set('X-Amz-Expires', String(expiresInSeconds))
      return (await signer.sign(url, { method, aws: { signQuery: true } })).url
    },

    // The binding and the S3 endpoint each begin uploads that only they know.
    parts: credentials ? s3Parts(credentials, partBytes) : bindingParts(bucket, partBytes),
    room: async () => ({ objectBytes: MAX_OBJECT_BYTES, freeBytes: null, volume: null }),
    // A write is there whole or not at all; of uploads in parts, `abortAll` and the store's own rules see to the rest.
    sweep: async () => {},
  }
}

function bindingParts(bucket: R2Bucket, partBytes: number): BlobParts {
  const upload = (key: string, id: string) => bucket.resumeMultipartUpload(key, id)
  return {
    partBytes,
    begin: async (key) => (await translated(bucket.createMultipartUpload(key))).uploadId,

    async put(key, id, number, { size, body }) {
      const sized = new FixedLengthStream(size)
      const sent = Promise.all([body.pipeTo(sized.writable), upload(key, id).uploadPart(number, sized.readable)])
      return (await translated(sent, key))[1].etag
    },

    presign: async () => null,

    async finish(key, id, etags) {
      const parts = etags.map((etag, i) => ({ partNumber: i + 1, etag }))
      await translated(upload(key, id).complete(parts), key)
    },

    async abort(key, id) {
      await translated(upload(key, id).abort(), key).catch((error: GavelError) => {
        if (error.code !== 'invalid_request') throw error
      })
    },

    // The binding lists none.
    abortAll: async () => {},
  }
}

/** R2's codes for an upload that it does not know, and for parts that are not those that were sent. */
const UPLOAD_OVER = /\((10024|10025|10048|10011)\)/

/** @param ofUpload the key, where the answer may be that its upload is over */
const translated = <T>(answer: Promise<T>, ofUpload?: string): Promise<T> =>
  answer.catch((cause: unknown) => {
    const { message: reason } = cause as Error
    if (ofUpload !== undefined && UPLOAD_OVER.test(reason)) {
      const message = `The upload of ${ofUpload} is over, or its parts are not those that were sent; begin anew.`
      throw new GavelError('invalid_request', message, { param: 'upload', cause })
    }
    const message = `The object store did not take or give the object (${reason.slice(0, 200)}). Try again.`
    throw new GavelError('storage_unavailable', message, { cause })
  })
