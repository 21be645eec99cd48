import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Readable } from 'node:stream'
import { GavelError } from '../../core/errors.ts'
import type { BlobHead, BlobParts, BlobStore, BlobStream } from '../../core/ports.ts'
import { MAX_OBJECT_BYTES } from '../../core/schemas/checkpoint.ts'
import { PART_BYTES } from './folder-parts.ts'

export interface S3Options {
  /** Absent for AWS itself. */
  endpoint?: string | undefined
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  /** What a part of a large object has, in bytes; S3 wants 5 MiB at least. */
  partBytes?: number
}

/** A blob store in a bucket of S3 or anything that speaks like it. */
export function s3BlobStore(options: S3Options): BlobStore {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey, partBytes = PART_BYTES } = options
  const client = new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    credentials: { accessKeyId, secretAccessKey },
    // Checksums where nobody asked for them break presigned PUTs on several servers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const at = (key: string) => ({ Bucket: bucket, Key: key })

  return {
    async get(key) {
      const object = await orNull(() => client.send(new GetObjectCommand(at(key))))
      return object && translated(() => object.Body!.transformToByteArray())
    },

    async stream(key, from = 0) {
      const range = from > 0 ? { Range: `bytes=${from}-` } : {}
      const object = await orNull(() => client.send(new GetObjectCommand({ ...at(key), ...range })))
      if (!object) return null
      return {
        size: from + object.ContentLength!,
        body: object.Body!.transformToWebStream() as ReadableStream<Uint8Array>,
      }
    },

    async head(key) {
      const head = await orNull(() => client.send(new HeadObjectCommand(at(key))))
      return head && { key, size: head.ContentLength! }
    },

    async put(key, body, { ifAbsent = false, contentType } = {}) {
      const bytes = body instanceof Uint8Array
      const stream = bytes ? null : exactly(body)
      const command = new PutObjectCommand({
        ...at(key),
        Body: stream ?? (body as Uint8Array),
        ContentLength: bytes ? body.length : body.size,
        ...(contentType !== undefined && { ContentType: contentType }),
        ...(ifAbsent && { IfNoneMatch: '*' }),
      })
      try {
        await translated(() =>
          stream ? whileWhole(stream, (abortSignal) => client.send(command, { abortSignal })) : client.send(command),
        )
        return true
      } catch (error) {
        const status = ((error as Error).cause as S3ServiceException | undefined)?.$metadata?.httpStatusCode
        // 412: it is there. 409: someone else is writing it at this moment.
        if (ifAbsent && (status === 412 || status === 409)) return false
        throw error
      }
    },

    async delete(key) {
      await translated(() => client.send(new DeleteObjectCommand(at(key))))
    },

    async list(prefix) {
      const heads: BlobHead[] = []
      let token: string | undefined
      do {
        const page = await translated(() =>
          client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })),
        )
        for (const { Key, Size } of page.Contents ?? []) heads.push({ key: Key!, size: Size! })
        token = page.NextContinuationToken
      } while (token)
      return heads.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    presign(key, method, expiresIn) {
      const command = method === 'GET' ? new GetObjectCommand(at(key)) : new PutObjectCommand(at(key))
      return getSignedUrl(client, command, { expiresIn })
    },

    parts: s3Parts(client, bucket, partBytes),
    room: async () => ({ objectBytes: MAX_OBJECT_BYTES, freeBytes: null, volume: null }),
    // A write is there whole or not at all; of uploads in parts, `abortAll` and the store's own rules see to the rest.
    sweep: async () => {},
  }
}

function s3Parts(client: S3Client, bucket: string, partBytes: number): BlobParts {
  const at = (key: string) => ({ Bucket: bucket, Key: key })
  const abort = (key: string, upload: string) =>
    translated(() => client.send(new AbortMultipartUploadCommand({ ...at(key), UploadId: upload })), null)
  return {
    partBytes,

    async begin(key) {
      return (await translated(() => client.send(new CreateMultipartUploadCommand(at(key))))).UploadId!
    },

    async put(key, upload, number, body) {
      const stream = exactly(body)
      const part = { ...at(key), UploadId: upload, PartNumber: number, ContentLength: body.size, Body: stream }
      const send = (abortSignal: AbortSignal) => client.send(new UploadPartCommand(part), { abortSignal })
      return (await translated(() => whileWhole(stream, send), uploadOver(key))).ETag!
    },

    presign(key, upload, number, expiresIn) {
      const command = new UploadPartCommand({ ...at(key), UploadId: upload, PartNumber: number })
      return getSignedUrl(client, command, { expiresIn })
    },

    async finish(key, upload, etags) {
      const Parts = etags.map((ETag, i) => ({ ETag, PartNumber: i + 1 }))
      const command = new CompleteMultipartUploadCommand({ ...at(key), UploadId: upload, MultipartUpload: { Parts } })
      await translated(() => client.send(command), uploadOver(key))
    },

    async abort(key, upload) {
      await abort(key, upload)
    },

    async abortAll(prefix, isOver = () => true) {
      let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {}
      for (;;) {
        const page = await translated(() =>
          client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...markers })),
        )
        for (const { Key, UploadId } of page.Uploads ?? []) if (isOver(Key!)) await abort(Key!, UploadId!)
        if (!page.IsTruncated) return
        markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
      }
    },
  }
}

/** A stream that breaks off where it does not hold what it should: the client would wait for the rest for minutes. */
function exactly({ size, body }: BlobStream): Readable {
  async function* counted() {
    let sent = 0
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      sent += chunk.length
      if (sent > size) break
      yield chunk
    }
    if (sent !== size) throw new Error(`the body has ${sent > size ? 'more' : `${sent} bytes`} instead of ${size}`)
  }
  return Readable.from(counted(), { objectMode: false })
}

/** Ends a sending at once when what it sends breaks off: the client by itself would wait for the rest. */
async function whileWhole<T>(stream: Readable, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const broken = new Promise<never>((_, reject) => {
    stream.once('error', (error) => {
      abort.abort()
      reject(error)
    })
  })
  return Promise.race([send(abort.signal), broken])
}

async function orNull<T>(send: () => Promise<T>): Promise<T | null> {
  try {
    return await send()
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && error.name !== 'NoSuchBucket')
      return null
    throw unavailable(error)
  }
}

const uploadOver = (key: string) =>
  new GavelError(
    'invalid_request',
    `The upload of ${key} is over, or its parts are not those that were sent; begin anew.`,
    {
      param: 'upload',
    },
  )

/** @param refused what a request is answered that the store understood and refused (4xx); null: nothing needs to be done */
async function translated<T>(send: () => Promise<T>): Promise<T>
async function translated<T>(send: () => Promise<T>, refused: GavelError): Promise<T>
async function translated<T>(send: () => Promise<T>, refused: null): Promise<T | null>
async function translated<T>(send: () => Promise<T>, refused?: GavelError | null): Promise<T | null> {
  try {
    return await send()
  } catch (error) {
    const of = error instanceof S3ServiceException && REFUSED.includes(error.name)
    if (of && refused === null) return null
    throw of && refused ? refused : unavailable(error)
  }
}

/** What a store says of an upload or of parts that it does not know, or does not take. */
const REFUSED = ['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']

function unavailable(cause: unknown): GavelError {
  const { name, message } = cause as Error
  return new GavelError(
    'storage_unavailable',
    `The object store refused or did not answer (${name}: ${message.slice(0, 200)}). Try again; the operator should check its endpoint, bucket and credentials.`,
    { cause },
  )
}
