import { GavelError } from '../../core/errors.ts'
import { readUsage } from '../../core/judges/token-usage.ts'
import type { TokenUsage } from '../../core/ports.ts'
import { errorInside, readProviderError, type ProviderError } from './provider-error.ts'

/** Beside 5xx; 498 and 425 are how Groq and some gateways say that they have no room now. */
const RETRYABLE_STATUS = new Set([408, 409, 425, 429, 498])
/** Of the 5xx, what no wait mends: not implemented, no such version of HTTP. */
const FINAL_STATUS = new Set([501, 505])
/** An answer of a few tokens is small; what is larger than this many bytes is none. */
const MAX_BODY_BYTES = 1 << 20

/** One failed call, before it is known whether another try is due. */
export class CallFailure extends Error {
  readonly status: number | null
  readonly retryable: boolean
  readonly retryAfterMs: number | null
  /** What the provider said, where it said something. */
  readonly told: ProviderError | null

  constructor(
    message: string,
    options: { status?: number | null; retryable: boolean; retryAfterMs?: number | null; told?: ProviderError },
  ) {
    super(message)
    this.status = options.status ?? null
    this.retryable = options.retryable
    this.retryAfterMs = options.retryAfterMs ?? null
    this.told = options.told ?? null
  }
}

/**
 * A fetch that follows no redirect, reads a bounded body, and throws a {@link CallFailure} for all but success; an error in
 * the body of a 200 is none.
 * @param onUsage told what a body says was used
 */
export function checkedFetch(
  send: typeof globalThis.fetch,
  signal: AbortSignal,
  onUsage: (usage: TokenUsage) => void,
): typeof globalThis.fetch {
  return async (input, init) => {
    let response: Response
    let text: string
    try {
      response = await send(input, { ...init, signal, redirect: 'manual' })
      text = await readText(response)
    } catch (error) {
      if (error instanceof GavelError || error instanceof CallFailure) throw error
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new CallFailure(`it cannot be reached: ${cause}`, { retryable: true })
    }
    const { status, headers } = response
    const json = soundJson(text)
    const body = parsed(json)
    if (response.ok) {
      onUsage(usageIn(body))
      const told = errorInside(body)
      if (told) throw refusal(told, `${status} with an error${told.status ? ` (${told.status})` : ''}`, headers)
      return new Response(json, { status, headers })
    }
    if (status < 400) throw new CallFailure('it redirects elsewhere; give the final URL', { status, retryable: false })
    throw refusal(readProviderError(status, body), String(status), headers)
  }
}
async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new CallFailure('its answer is larger than 1 MiB', { retryable: false })
    chunks.push(chunk)
  }
  return new Blob(chunks as Uint8Array<ArrayBuffer>[]).text()
}

/** @param how with what it answered */
function refusal(told: ProviderError, how: string, headers: Headers): CallFailure {
  const { status, message } = told
  const isPassing = status !== null && (RETRYABLE_STATUS.has(status) || (status >= 500 && !FINAL_STATUS.has(status)))
  const hint =
    status === 401 || (status === 403 && !/logprobs/i.test(message)) ? ' (check the api_key of the judge)' : ''
  return new CallFailure(`it answered ${how}${hint}: ${message}`, {
    status,
    retryable: isPassing && headers.get('x-should-retry') !== 'false',
    retryAfterMs: retryAfter(headers),
    told,
  })
}

/** The text with Python's `-Infinity` as a number that JSON knows, so that one such alternative leaves the others readable. */
const soundJson = (text: string) =>
  text.includes('-Infinity')
    ? text.replace(/"(?:[^"\\]|\\.)*"|-Infinity/g, (part) => (part === '-Infinity' ? '-1e999' : part))
    : text

/** JSON's value; the text itself where it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** What a body of any dialect says was used; some servers of System One wrap theirs. */
function usageIn(body: unknown): TokenUsage {
  const { usage, result } = (body ?? {}) as { usage?: unknown; result?: { usage?: unknown } | null }
  return readUsage(usage ?? result?.usage)
}

/** The wait that `retry-after-ms` or `Retry-After` (seconds or a date) asks for, in ms. */
function retryAfter(headers: Headers): number | null {
  const millis = Number(headers.get('retry-after-ms') ?? NaN)
  if (millis >= 0) return millis
  const header = headers.get('retry-after')
  if (header === null) return null
  const wait = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(wait) ? null : Math.max(0, wait)
}
