import { GavelError } from '../../core/errors.ts'
import { JudgeFailure } from '../../core/judges/judge-failure.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest, Rng } from '../../core/ports.ts'
import type { ProviderTakes } from '../../core/schemas/judge.ts'
import { adaptationTo, ALL_TAKEN, narrower } from './adaptations.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { Limiter } from './limiter.ts'
import { errorInside, readProviderError, type ProviderError } from './provider-error.ts'

export interface ProviderOptions {
  /** Of the provider; sent to it and nowhere else, and struck out of every message where it is long enough for a secret. */
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
  /** How often a question is asked again after a failure that may pass. */
  retries?: number
  /** Of a provider that is asked for tokens: what it takes, as far as that is known. Refusals narrow it. */
  takes?: ProviderTakes
}

/** Asks the provider one question over the given fetch. Throws where its answer is none. */
export type AskProvider = (
  request: JudgeRequest,
  takes: ProviderTakes,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
) => Promise<FirstTokenLogprobs>

const RETRIES = 3
/** Beside 5xx; 498 and 425 are how Groq and some gateways say that they have no room now. */
const RETRYABLE_STATUS = new Set([408, 409, 425, 429, 498])
/** Of the 5xx, what no wait mends: not implemented, no such version of HTTP. */
const FINAL_STATUS = new Set([501, 505])
/** A provider that asks for a longer wait than this is given up on; in ms. */
const MAX_WAIT_MS = 60_000
/** An answer of a few tokens is small; what is larger than this many bytes is none. */
const MAX_BODY_BYTES = 1 << 20
/**
 * What is worth striking out of messages. A letter, or a placeholder such as `none` or `EMPTY`, is no secret, and a message
 * without it could not be read.
 */
const SECRET = /^(.{8,}|(?=.*[^a-z]).{4,})$/i

type Usage = FirstTokenLogprobs['usage']

/** One failed call, before it is known whether another try is due. */
class CallFailure extends Error {
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
 * A {@link JudgeClient} over an HTTP provider. Each item is asked on its own, at most `concurrency` at once (however many
 * calls they come from: the client is shared), and tried
 * again after 408, 409, 425, 429, 498, 5xx, a timeout or a broken connection. What cannot be had is that item's
 * `JudgeFailure`. A provider that is down is left alone for a while: items that come then fail at once, saying how long
 * that lasts.
 *
 * A refusal of something that was asked beside the answer changes it (adaptations.ts), which is learnt once, for all later
 * calls, when the changed request was taken.
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
  const retries = options.retries ?? RETRIES
  let learnt = options.takes ?? ALL_TAKEN

  async function askOnce(
    request: JudgeRequest,
    takes: ProviderTakes,
    onUsage: (usage: Usage) => void,
    signal?: AbortSignal,
  ): Promise<FirstTokenLogprobs> {
    const timeout = timeoutAfter(timeoutMs)
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout
    try {
      return await ask(request, takes, checkedFetch(send, either, onUsage), either)
    } catch (error) {
      signal?.throwIfAborted()
      if (timeout.aborted) throw new CallFailure(`it gave no answer within ${timeoutMs} ms`, { retryable: true })
      throw error
    }
  }

  async function askWithRetries(request: JudgeRequest, signal?: AbortSignal): Promise<FirstTokenLogprobs | Error> {
    const started = performance.now()
    /** Of this question; what a later answer shows to be taken is learnt. */
    let takes = learnt
    let changed: string | null = null
    /** Of tries that came to nothing. */
    const wasted: Usage = { promptTokens: 0, completionTokens: 0 }
    for (let retry = 0; ;) {
      signal?.throwIfAborted()
      const shutMs = breaker.enter()
      // What was begun before it shut waits for it as for a provider that fails.
      if (shutMs > 0 && retry === 0) return leftAlone(shutMs, lastFailure)
      let used: Usage | undefined
      try {
        if (shutMs > 0) throw new CallFailure(lastFailure, { retryable: true })
        const { usage, ...answer } = await askOnce(request, takes, (usage) => (used = usage), signal)
        breaker.succeeded()
        learnt = narrower(learnt, takes)
        return { ...answer, usage: added(usage, wasted), latencyMs: performance.now() - started }
      } catch (error) {
        if (signal?.aborted) breaker.undecided()
        signal?.throwIfAborted()
        if (shutMs === 0) {
          if (isOutage(error)) {
            lastFailure = toldOf(error, apiKey)
            breaker.failed()
          } else breaker.succeeded()
        }
        if (used) Object.assign(wasted, added(wasted, used))
        const change = options.takes && error instanceof CallFailure && error.told && adaptationTo(error.told, takes)
        if (change && 'hopeless' in change) {
          return unreachable(new Error(change.hopeless), retry + 1, wasted, apiKey)
        }
        if (change) {
          // The provider went on to another complaint, so what was changed before is taken.
          if (change.field !== changed) learnt = narrower(learnt, takes)
          changed = change.field
          takes = narrower(learnt, change.takes)
          continue
        }
        const retryable = error instanceof CallFailure && error.retryable
        const wait =
          (error instanceof CallFailure ? error.retryAfterMs : null) ??
          backoffMs * 2 ** retry * (0.5 + rng.uniform() / 2)
        if (!retryable || retry === retries || wait > MAX_WAIT_MS) {
          return unreachable(error, retry + 1, wasted, apiKey)
        }
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
    ...(options.takes && { takes: () => learnt }),
  }
}

/**
 * A fetch that follows no redirect, reads a bounded body, and throws a {@link CallFailure} for all but success; an error in
 * the body of a 200 is none.
 * @param onUsage told what a body says was used
 */
function checkedFetch(
  send: typeof globalThis.fetch,
  signal: AbortSignal,
  onUsage: (usage: Usage) => void,
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

/** What a body of any dialect says was used. */
function usageIn(body: unknown): Usage {
  const usage = (body as { usage?: Record<string, unknown> | null } | null)?.usage ?? {}
  const count = (value: unknown) => (typeof value === 'number' && value > 0 ? value : 0)
  return {
    promptTokens: count(usage.prompt_tokens ?? usage.input_tokens ?? usage.total_tokens),
    completionTokens: count(usage.completion_tokens ?? usage.output_tokens),
  }
}

const added = (a: Usage, b: Usage): Usage => ({
  promptTokens: a.promptTokens + b.promptTokens,
  completionTokens: a.completionTokens + b.completionTokens,
})

/** The wait that `retry-after-ms` or `Retry-After` (seconds or a date) asks for, in ms. */
function retryAfter(headers: Headers): number | null {
  const millis = Number(headers.get('retry-after-ms') ?? NaN)
  if (millis >= 0) return millis
  const header = headers.get('retry-after')
  if (header === null) return null
  const wait = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(wait) ? null : Math.max(0, wait)
}

/** Whether a failure says that the provider is down: not one that it answered with a refusal, or with a plea to wait. */
const isOutage = (error: unknown) => error instanceof CallFailure && error.retryable && error.status !== 429

/** What an error says, without the secret. */
function toldOf(error: unknown, apiKey: string | null): string {
  const told = error instanceof Error ? error.message : String(error)
  return apiKey !== null && SECRET.test(apiKey) ? told.replaceAll(apiKey, '[api_key]') : told
}

function unreachable(error: unknown, tries: number, usage: Usage, apiKey: string | null): GavelError {
  if (error instanceof GavelError) return error
  const often = tries > 1 ? ` in ${tries} tries` : ''
  return new JudgeFailure(`The judge's provider gave no judgment${often}: ${toldOf(error, apiKey)}`, usage)
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

/** The URL of a path below a provider's base, whose query (Azure's `api-version`) goes along. */
export function urlBelow(baseUrl: string, path: string): string {
  const url = new URL(baseUrl)
  url.pathname = url.pathname.replace(/\/+$/, '') + path
  return url.href
}

/** The secret's header, and what is sent. */
export function postJson(url: string, apiKey: string | null, body: object): RequestInit {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (apiKey !== null && isAzure(url) && !JWT.test(apiKey)) headers['api-key'] = apiKey
  else if (apiKey !== null) headers.authorization = `Bearer ${apiKey}`
  return { method: 'POST', headers, body: JSON.stringify(body) }
}

/** What Entra ID gives: Azure takes it as a bearer's. */
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/

/** Azure wants its keys in a header of its own. */
function isAzure(url: string): boolean {
  const { hostname, searchParams } = new URL(url)
  return searchParams.has('api-version') || /\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(hostname)
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
