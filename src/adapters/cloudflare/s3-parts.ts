import { AwsClient } from 'aws4fetch'
import { GavelError } from '../../core/errors.ts'
import type { BlobParts } from '../../core/ports.ts'

export interface S3Access {
  /** Of the bucket. */
  url: string
  accessKeyId: string
  secretAccessKey: string
}

/**
 * Objects in parts by S3's own protocol, where there is no room for its SDK.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
 */
export function s3Parts({ url, ...credentials }: S3Access, partBytes: number, region = 'auto'): BlobParts {
  const client = new AwsClient({ ...credentials, service: 's3', region, retries: 3 })
  const at = (key: string, query: Record<string, string>) =>
    `${url}/${key.split('/').map(encodeURIComponent).join('/')}?${new URLSearchParams(query)}`

  /** The body of an answer. @throws GavelError what was `refused`, or `storage_unavailable` */
  async function send(method: string, where: string, body?: string): Promise<string> {
    const response = await client.fetch(where, { method, ...(body !== undefined && { body }) }).catch(unavailable)
    const text = await response.text()
    // What takes long is answered 200 before it is known how it ends.
    const code = /<Error>.*<Code>(\w+)<\/Code>/s.exec(text)?.[1]
    if (response.ok && !code) return text
    if (REFUSED.includes(code ?? '')) throw over(code!)
    return unavailable(new Error(`${response.status} ${code ?? ''}`))
  }

  const presign = async (key: string, upload: string, number: number, expiresIn: number) => {
    const query = { partNumber: String(number), uploadId: upload, 'X-Amz-Expires': String(expiresIn) }
    return (await client.sign(at(key, query), { method: 'PUT', aws: { signQuery: true } })).url
  }
  const abort = (key: string, upload: string) =>
    send('DELETE', at(key, { uploadId: upload })).catch((error: GavelError) => {
      if (error.code !== 'invalid_request') throw error
    })

  return {
    partBytes,
    begin: async (key) => element('UploadId', await send('POST', at(key, { uploads: '' })))!,

    async put(key, upload, number, { size, body }) {
      const bytes = new Uint8Array(await new Response(body as BodyInit).arrayBuffer())
      if (bytes.length !== size) {
        const message = `The part has ${bytes.length} bytes instead of ${size}; send it whole.`
        throw new GavelError('invalid_request', message, { param: 'body' })
      }
      const sent = await fetch(await presign(key, upload, number, 3600), { method: 'PUT', body: bytes }).catch(
        unavailable,
      )
      if (sent.ok) return sent.headers.get('etag')!
      const code = element('Code', await sent.text())
      if (REFUSED.includes(code ?? '')) throw over(code!)
      return unavailable(new Error(`${sent.status} ${code ?? ''}`))
    },

    presign,

    async finish(key, upload, etags) {
      const part = (etag: string, i: number) =>
        `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`
      const body = `<CompleteMultipartUpload>${etags.map(part).join('')}</CompleteMultipartUpload>`
      await send('POST', at(key, { uploadId: upload }), body)
    },

    async abort(key, upload) {
      await abort(key, upload)
    },

    async abortAll(prefix, isOver = () => true) {
      for (let marker: Record<string, string> | null = {}; marker;) {
        const page = await send('GET', `${url}/?${new URLSearchParams({ uploads: '', prefix, ...marker })}`)
        for (const [, upload] of page.matchAll(/<Upload>(.*?)<\/Upload>/gs)) {
          const key = element('Key', upload!)!
          if (isOver(key)) await abort(key, element('UploadId', upload!)!)
        }
        const next = { 'key-marker': element('NextKeyMarker', page) ?? '', 'upload-id-marker': element('NextUploadIdMarker', page) ?? '' } // prettier-ignore
        marker = element('IsTruncated', page) === 'true' ? next : null
      }
    },
  }
}

/** What a store says of an upload or of parts that it does not know, or does not take. */
const REFUSED = ['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']

const over = (code: string) =>
  new GavelError(
    'invalid_request',
    `The upload is over, or its parts are not those that were sent (${code}); begin anew.`,
    {
      param: 'upload',
    },
  )

function unavailable(cause: unknown): never {
  const message = `The object store refused or did not answer (${(cause as Error).message.slice(0, 200)}). Try again; the operator should check GAVEL_R2_URL and its credentials.`
  throw new GavelError('storage_unavailable', message, { cause })
}

/** The text of an XML element, its character references resolved. */
function element(name: string, xml: string): string | null {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  if (text === undefined) return null
  return text.replace(/&(lt|gt|quot|apos|amp|#(\d+)|#x([0-9a-f]+));/gi, (_, word: string, decimal, hex) =>
    decimal || hex ? String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex as string, 16)) : NAMED[word]!,
  )
}

const NAMED: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
const escaped = (text: string) => text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`)
