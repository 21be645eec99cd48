import { GavelError } from '../../core/errors.ts'
import { parseStrictJson } from '../../core/json.ts'

const MAX_BODY = 10 * 2 ** 20

/**
 * The JSON of a request, sent whole or in pieces.
 * @throws GavelError `too_large`, `unsupported_media_type` or `malformed_json`; `unprocessable` as `parseStrictJson`
 */
export async function readJson(request: Request): Promise<unknown> {
  const coding = request.headers.get('content-encoding') ?? 'identity'
  if (coding.toLowerCase() !== 'identity') {
    const message = `the body came encoded as ${coding.slice(0, 100)}; send it as it is, without Content-Encoding`
    throw new GavelError('unsupported_media_type', message, { param: 'Content-Encoding' })
  }
  try {
    return parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(request)))
  } catch (cause) {
    if (cause instanceof GavelError) throw cause
    const why = (cause as Error).message.slice(0, 200)
    throw new GavelError('malformed_json', `the body is not JSON (${why}); mend it and send it again`, { cause })
  }
}

async function readBytes({ body, headers }: Request): Promise<Buffer> {
  const tooLarge = () => new GavelError('too_large', `the body is larger than ${MAX_BODY} bytes; send less at once`)
  if (Number(headers.get('content-length') ?? 0) > MAX_BODY) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > MAX_BODY) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
