import { GavelError } from '../../core/errors.ts'
import { refuseLosses, refuseManyValues } from '../../core/json.ts'
import type { WorkBudget } from '../../core/work-budget.ts'

/**
 * The JSON of a request.
 * @param work holds the bytes, and is charged for reading them
 * @throws GavelError `unsupported_media_type`, `too_large`, `busy` or `malformed_json`; `unprocessable` as `parseStrictJson`
 */
export async function readJson(request: Request, maxBytes: number, work: WorkBudget): Promise<unknown> {
  const type = mediaType(request)
  if (type !== '' && type !== 'application/json' && !type.endsWith('+json')) {
    throw new GavelError(
      'unsupported_media_type',
      `The body must be JSON, but came as ${type.slice(0, 100)}. Send it with Content-Type: application/json.`,
      {
        param: 'Content-Type',
      },
    )
  }
  const coding = request.headers.get('content-encoding') ?? 'identity'
  if (coding.toLowerCase() !== 'identity') {
    throw new GavelError(
      'unsupported_media_type',
      `The body came encoded as ${coding.slice(0, 100)}; send it as it is, without Content-Encoding.`,
      { param: 'Content-Encoding' },
    )
  }
  const bytes = await readBytes(request, maxBytes, work)
  if (bytes.length === 0)
    throw new GavelError('malformed_json', 'The body is empty; send a JSON object.', { param: 'body' })
  return parseBytes(bytes, work)
}

/** `type/subtype` in lower case, without parameters; empty when the request names none. */
export const mediaType = (request: Request) =>
  (request.headers.get('content-type') ?? '').replace(/;.*/s, '').trim().toLowerCase()

/** The bytes of a request, never holding more than `maxBytes`. @throws GavelError `too_large`; `busy` by the budget */
export async function readBytes(
  request: Request,
  maxBytes: number,
  work: WorkBudget,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new GavelError('too_large', `The body is larger than ${maxBytes} bytes; send less at once.`, { param: 'body' })
  const length = request.headers.get('content-length') ?? ''
  const declared = /^\d{1,15}$/.test(length) ? Number(length) : 0
  if (declared > maxBytes) throw tooLarge()
  if (!request.body) return new Uint8Array()
  // A right declaration, the ordinary case, means that the body is held once.
  let bytes = new Uint8Array(declared || 65_536)
  let size = 0
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    if (size + chunk.length > maxBytes) throw tooLarge()
    work.hold(chunk.length)
    if (size + chunk.length > bytes.length) bytes = grown(bytes, Math.min(maxBytes, 2 * (size + chunk.length)))
    bytes.set(chunk, size)
    size += chunk.length
  }
  return bytes.subarray(0, size)
}

function grown(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length)
  larger.set(bytes)
  return larger
}

/** What is read step by step: each of a large body takes some ten ms. */
async function parseBytes(bytes: Uint8Array, work: WorkBudget): Promise<unknown> {
  const step = async <T>(run: () => T): Promise<T> => {
    if (work.due) await work.turn()
    return work.piece('body', run)
  }
  await step(() => refuseManyValues(bytes))
  const text = await step(() => decode(bytes))
  try {
    const value = await step(() => JSON.parse(text) as unknown)
    await step(() => refuseLosses(text, value))
    return value
  } catch (error) {
    if (error instanceof GavelError) throw error
    const why = (error as Error).message.slice(0, 200)
    throw new GavelError('malformed_json', `The body is not valid JSON (${why}); mend it and send it again.`, {
      param: 'body',
    })
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw new GavelError('malformed_json', 'The body is not valid UTF-8; encode it as UTF-8.', { param: 'body' })
  }
}
