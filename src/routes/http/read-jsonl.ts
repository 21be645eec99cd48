import { GavelError } from '../../core/errors.ts'
import type { WorkBudget } from '../../core/work-budget.ts'
import { mediaType, readBytes } from './read-body.ts'

const JSONL_TYPES = [
  'application/jsonl',
  'application/x-ndjson',
  'application/x-jsonlines',
  'text/plain',
  'application/octet-stream',
]
const GZIP_TYPES = ['application/gzip', 'application/x-gzip']
/** Most bytes of a form, which must be held whole to be read. */
const MAX_FORM_BYTES = 32 * 1024 * 1024

/**
 * The JSONL of a request as it comes; what is compressed is taken apart on the way.
 * @throws GavelError `unsupported_media_type`; on the way, `invalid_request` for what is no gzip or is cut off
 */
export function readJsonl(request: Request): AsyncIterable<Uint8Array> {
  const type = mediaType(request)
  const coding = (request.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (type !== '' && !JSONL_TYPES.includes(type) && !GZIP_TYPES.includes(type)) {
    const message = `A dataset comes as JSONL (Content-Type: application/jsonl) or as a form (multipart/form-data with \`file\` and \`name\`), not as ${type.slice(0, 100)}.`
    throw new GavelError('unsupported_media_type', message, { param: 'Content-Type' })
  }
  if (coding !== 'identity' && coding !== 'gzip') {
    const message = `The body came encoded as ${coding.slice(0, 100)}; send it as it is, or as gzip.`
    throw new GavelError('unsupported_media_type', message, { param: 'Content-Encoding' })
  }
  const body = request.body
  if (!body) return none()
  return coding === 'gzip' || GZIP_TYPES.includes(type) ? inflated(body) : chunksOf(body)
}

/**
 * A form's `file`, and its other fields.
 * @throws GavelError `too_large`, `invalid_request`, `busy`
 */
export async function readForm(
  request: Request,
  work: WorkBudget,
): Promise<{ file: AsyncIterable<Uint8Array> } & Record<string, unknown>> {
  // The parts of a form come with some hundred bytes around them.
  const bytes = await readBytes(request, MAX_FORM_BYTES + 65_536, work)
  const headers = { 'content-type': request.headers.get('content-type') ?? '' }
  const form = await new Response(bytes, { headers }).formData().catch(() => null)
  if (!form) {
    const message = 'The form cannot be read; send multipart/form-data with its boundary.'
    throw new GavelError('invalid_request', message, { param: 'body' })
  }
  const file: unknown = form.get('file')
  if (!(file instanceof Blob)) {
    const message = '`file` is missing; send the JSONL as a file part of that name.'
    throw new GavelError('invalid_request', message, { param: 'file' })
  }
  const given = ['name', 'append_to'].flatMap((field) => {
    const value = form.get(field)
    return value === null ? [] : [[field, String(value)]]
  })
  return { ...(Object.fromEntries(given) as Record<string, string>), file: chunksOf(file.stream()) }
}

async function* none(): AsyncGenerator<Uint8Array> {}

const chunksOf = (body: ReadableStream<Uint8Array>) => body as unknown as AsyncIterable<Uint8Array>

/** What a gzip stream holds. It is read only as fast as it is used, however much it may hold. */
async function* inflated(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const bytes = chunksOf(body.pipeThrough(new DecompressionStream('gzip')))[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await bytes.next().catch((cause: unknown) => {
        const message = 'The body is no gzip, or was cut off. Compress it anew, or send it as it is.'
        throw new GavelError('invalid_request', message, { param: 'body', cause })
      })
      if (done) return
      yield value
    }
  } finally {
    await bytes.return?.().catch(() => {})
  }
}
