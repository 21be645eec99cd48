import { GavelError } from '../../core/errors.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest, Rng } from '../../core/ports.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { Limiter } from './limiter.ts'

export interface ProviderOptions {
  /** Of the provider; sent to it and nowhere else, and struck out of every message. */
  apiKey: string | null
  /** The longest wait for one call, in ms. */
  timeoutMs: number
  /** The most calls in flight at once, of all requests together. */
  concurrency: number
  fetch?: typeof globalThis.fetch
  /** Aborts after so many ms. */
  timeout?: (ms: number) => AbortSignal
  /** Spreads retries out in time. */
  rng?: Rng
  /** The first wait before a retry, in ms; it doubles with each. */
  backoffMs?: number
  /** Leaves the provider alone while it is down; one a client unless given. */
  breaker?: CircuitBreaker
}

/** What a provider is asked for beside the answer; taken back where it refuses. */
export interface Wishes {
  /** How many alternatives. */
  topLogprobs: number
  /** Whether to say that the model is not to think first. */
  noThinking: boolean
}

/** Asks the provider one question over the given fetch. Throws where its answer is none. */
export type AskProvider = (
  request: JudgeRequest,
  wishes: Wishes,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
) => Promise<FirstTokenLogprobs>

const RETRIES = 3
const RETRYABLE_STATUS = new Set([408, 409, 429, 500, 502, 503, 504, 520, 522, 524, 529])
/** A provider that asks for a longer wait than this is given up on; in ms. */
const MAX_WAIT_MS = 60_000
/** An answer of one token is small; what is larger than this many bytes is none. */
const MAX_BODY_BYTES = 1 << 20
/**
 * How many alternatives to ask for, in turn, where a provider refuses the number. Fewer than 5 would leave too much
 * unseen for P(Yes) to mean anything.
 */
const TOP_LOGPROBS = [20, 5]

/** How servers say that they do not know `chat_template_kwargs`: by its name, or by no name at all. */
const NO_SUCH_FIELD =
  /chat_template_kwargs|enable_thinking|(unknown|unrecogni[sz]ed|unexpected|unsupported|extra|additional)\b.{0,40}\b(field|parameter|argument|input|propert|key)/i

/** One failed call, before it is known whether another try is due. */
class CallFailure extends Error {
  readonly status: number | null
  readonly retryable: boolean
  readonly retryAfterMs: number | null

  constructor(message: string, options: { status?: number; retryable: boolean; retryAfterMs?: number | null }) {
    super(message)
    this.status = options.status ?? null
    this.retryable = options.retryable
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}

/**
 * A {@link JudgeClient} over an HTTP provider. Each item is asked on its own, at most `concurrency` at once (however many
 * calls they come from: the client is shared), and tried
 * again after 408, 409, 429, 5xx, a timeout or a broken connection. What cannot be had is that item's `GavelError`
 * (`judge_unreachable`). A provider that is down is left alone for a while: items that come then fail at once, saying how
 * long that lasts.
 */
export function providerJudgeClient(ask: AskProvider, options: ProviderOptions): JudgeClient {
  const { timeoutMs, concurrency, apiKey } = options
  const send = options.fetch ?? globalThis.fetch.bind(globalThis)
  const rng = options.rng ?? { uniform: Math.random }
  const timeoutAfter = options.timeout ?? ((ms) => AbortSignal.timeout(ms))
  const backoffMs = options.backoffMs ?? 500
  // Every call in flight may fail of one cause; only when there is more to it is the provider down.
  const limiter = new Limiter(concurrency)
  const breaker = options.breaker ?? new CircuitBreaker({ clock: Date, failures: concurrency + 5, openMs: 2000 })
  let lastFailure = ''
  // What the provider takes is learnt once, for all later calls.
  let level = 0
  let noThinking = true

  async function askOnce(request: JudgeRequest, signal?: AbortSignal): Promise<FirstTokenLogprobs> {
    const timeout = timeoutAfter(timeoutMs)
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout
    try {
      return await ask(request, { topLogprobs: TOP_LOGPROBS[level]!, noThinking }, checkedFetch(send, either), either)
    } catch (error) {
      signal?.throwIfAborted()
      if (timeout.aborted) throw new CallFailure(`it gave no answer within ${timeoutMs} ms`, { retryable: true })
      throw error
    }
  }

  async function askWithRetries(request: JudgeRequest, signal?: AbortSignal): Promise<FirstTokenLogprobs | Error> {
    const started = performance.now()
    for (let retry = 0; ;) {
      signal?.throwIfAborted()
      const asked = { level, noThinking }
      const shutMs = breaker.enter()
      // What was begun before it shut waits for it as for a provider that fails.
      if (shutMs > 0 && retry === 0) return leftAlone(shutMs, lastFailure)
      try {
        if (shutMs > 0) throw new CallFailure(lastFailure, { retryable: true })
        const answer = await askOnce(request, signal)
        breaker.succeeded()
        return { ...answer, latencyMs: performance.now() - started }
      } catch (error) {
        if (signal?.aborted) breaker.undecided()
        signal?.throwIfAborted()
        if (shutMs === 0) {
          if (isOutage(error)) {
            lastFailure = toldOf(error, apiKey)
            breaker.failed()
          } else breaker.succeeded()
        }
        if (refuses(error, /logprobs/i) && asked.level < TOP_LOGPROBS.length - 1) {
          level = Math.max(level, asked.level + 1)
          continue
        }
        if (refuses(error, NO_SUCH_FIELD) && asked.noThinking) {
          noThinking = false
          continue
        }
        const retryable = error instanceof CallFailure && error.retryable
        const wait =
          (error instanceof CallFailure ? error.retryAfterMs : null) ??
          backoffMs * 2 ** retry * (0.5 + rng.uniform() / 2)
        if (!retryable || retry === RETRIES || wait > MAX_WAIT_MS) return unreachable(error, retry + 1, apiKey)
        await sleep(wait, signal)
        retry++
      }
    }
  }

  return {
    async firstTokenLogprobs(requests, signal) {
      let answered = 0
      const answers = await mapLimited(requests, concurrency, async (request) => {
        try {
          const answer = await limiter.run(() => askWithRetries(request, signal), signal)
          answered++
          return answer
        } catch (error) {
          if (!signal?.aborted) throw error
          return error instanceof Error ? error : new Error(String(error))
        }
      })
      if (answered === 0) signal?.throwIfAborted()
      return answers
    },
  }
}

/** A fetch that follows no redirect, reads a bounded body, and throws a {@link CallFailure} for all but success. */
function checkedFetch(send: typeof globalThis.fetch, signal: AbortSignal): typeof globalThis.fetch {
  return async (input, init) => {
    let response: Response
    let body: string
    try {
      response = await send(input, { ...init, signal, redirect: 'manual' })
      body = await readText(response)
    } catch (error) {
      if (error instanceof GavelError || error instanceof CallFailure) throw error
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new CallFailure(`it cannot be reached: ${cause}`, { retryable: true })
    }
    const { status } = response
    if (response.ok) return new Response(body, { status, headers: response.headers })
    if (status < 400) throw new CallFailure('it redirects elsewhere; give the final URL', { status, retryable: false })
    const retryable = RETRYABLE_STATUS.has(status) && response.headers.get('x-should-retry') !== 'false'
    const hint = status === 401 || status === 403 ? ' (check the api_key of the judge)' : ''
    const message = `it answered ${status}${hint}: ${errorText(body)}`
    throw new CallFailure(message, { status, retryable, retryAfterMs: retryAfter(response.headers) })
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

/** The message of an error body, in OpenAI's or a plainer shape, cut short. */
function errorText(body: string): string {
  let text = body
  try {
    const parsed = JSON.parse(body) as { error?: { message?: string } | string; message?: string; detail?: unknown }
    const { error, message, detail } = parsed
    const told = (typeof error === 'object' ? error?.message : error) ?? message ?? detail
    if (told !== undefined) text = typeof told === 'string' ? told : JSON.stringify(told)
  } catch {
    // Not JSON: the text itself is the message.
  }
  return text.replace(/\s+/g, ' ').trim().slice(0, 300) || 'no message'
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

function refuses(error: unknown, what: RegExp): boolean {
  return error instanceof CallFailure && (error.status === 400 || error.status === 422) && what.test(error.message)
}

/** Whether a failure says that the provider is down: not one that it answered with a refusal, or with a plea to wait. */
const isOutage = (error: unknown) => error instanceof CallFailure && error.retryable && error.status !== 429

/** What an error says, without the secret. */
function toldOf(error: unknown, apiKey: string | null): string {
  const told = error instanceof Error ? error.message : String(error)
  return apiKey ? told.replaceAll(apiKey, '[api_key]') : told
}

function unreachable(error: unknown, tries: number, apiKey: string | null): GavelError {
  if (error instanceof GavelError) return error
  const often = tries > 1 ? ` in ${tries} tries` : ''
  const message = `The judge's provider gave no judgment${often}: ${toldOf(error, apiKey)}`
  return new GavelError('judge_unreachable', message)
}

function leftAlone(ms: number, lastFailure: string): GavelError {
  const retryAfter = Math.ceil(ms / 1000)
  const message = `The judge's provider is down and is left alone for now (${lastFailure}). It is tried again in ${retryAfter} s.`
  return new GavelError('judge_unreachable', message, { retryAfter })
}

/** Applies an async function to all values, at most `limit` at once, so that others get their turn; results in order. */
async function mapLimited<T, R>(values: readonly T[], limit: number, apply: (value: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(values.length)
  // All lanes draw from one iterator.
  const queue = values.entries()
  const lane = async () => {
    for (const [i, value] of queue) results[i] = await apply(value)
  }
  await Promise.all(Array.from({ length: Math.min(limit, values.length) }, lane))
  return results
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal!.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** The bearer's header, and what is sent. */
export function postJson(apiKey: string | null, body: object): RequestInit {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (apiKey !== null) headers.authorization = `Bearer ${apiKey}`
  return { method: 'POST', headers, body: JSON.stringify(body) }
}

/** @throws Error when an answer is not JSON */
export async function readAnswer(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`its answer is not JSON: ${JSON.stringify(text.slice(0, 100))}`)
  }
}
