import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { GavelError } from '../../core/errors.ts'
import type { BlobHead, BlobStore } from '../../core/ports.ts'

export interface S3Options {
  /** Absent for AWS itself. */
  endpoint?: string | undefined
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
}

/** A blob store in a bucket of S3 or anything that speaks like it. */
export function s3BlobStore({ endpoint, region, bucket, accessKeyId, secretAccessKey }: S3Options): BlobStore {
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

    async stream(key) {
      const object = await orNull(() => client.send(new GetObjectCommand(at(key))))
      if (!object) return null
      return { size: object.ContentLength!, body: object.Body!.transformToWebStream() as ReadableStream<Uint8Array> }
    },

    async head(key) {
      const head = await orNull(() => client.send(new HeadObjectCommand(at(key))))
      return head && { key, size: head.ContentLength! }
    },

    async put(key, body, { ifAbsent = false, contentType } = {}) {
      const bytes = body instanceof Uint8Array
      const stream = bytes ? null : Readable.fromWeb(body.body as NodeReadableStream)
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
  }
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

const translated = <T>(send: () => Promise<T>): Promise<T> =>
  send().catch((error: unknown) => {
    throw unavailable(error)
  })

function unavailable(cause: unknown): GavelError {
  const { name, message } = cause as Error
  return new GavelError(
    'storage_unavailable',
    `The object store refused or did not answer (${name}: ${message.slice(0, 200)}). Try again; the operator should check its endpoint, bucket and credentials.`,
    { cause },
  )
}
