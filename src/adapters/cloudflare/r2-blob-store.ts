import { AwsClient } from 'aws4fetch'
import { GavelError } from '../../core/errors.ts'
import type { BlobHead, BlobStore } from '../../core/ports.ts'

/** Credentials of R2's S3 endpoint. Without them there are no presigned URLs, and bytes go through the Worker. */
export interface R2Credentials {
  /** `https://<account>.r2.cloudflarestorage.com/<bucket>` */
  url: string
  accessKeyId: string
  secretAccessKey: string
}

/** A blob store in an R2 bucket, by its binding. */
export function r2BlobStore(bucket: R2Bucket, credentials: R2Credentials | null): BlobStore {
  const signer = credentials && new AwsClient({ ...credentials, service: 's3', region: 'auto' })

  return {
    async get(key) {
      const object = await translated(bucket.get(key))
      return object && new Uint8Array(await object.arrayBuffer())
    },

    async stream(key) {
      const object = await translated(bucket.get(key))
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
  }
}

const translated = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((cause: unknown) => {
    const message = `The object store did not take or give the object (${(cause as Error).message.slice(0, 200)}). Try again.`
    throw new GavelError('storage_unavailable', message, { cause })
  })
