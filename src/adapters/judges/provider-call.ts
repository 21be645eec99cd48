import { GavelError } from '../../core/errors.ts'
import { JudgeFailure } from '../../core/judges/judge-failure.ts'
import { NO_USAGE, sumTokens } from '../../core/judges/token-usage.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest, ProviderTakes, Rng, TokenUsage } from '../../core/ports.ts'
import { adaptationTo, ALL_TAKEN, narrower } from './adaptations.ts'
import { CallFailure, checkedFetch } from './checked-fetch.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { Limiter } from './limiter.ts'

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

/** What an answer says; what it took is read from its body by {@link checkedFetch}, for all dialects alike. */
export type ProviderAnswer = Omit<FirstTokenLogprobs, 'usage'>

/** Asks the provider one question over the given fetch. Throws where its answer is none. */
export type AskProvider = (
  request: JudgeRequest,
  takes: ProviderTakes,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
) => Promise<ProviderAnswer>

const RETRIES = 3
/** More changes than that to one question are a provider that refuses whatever is asked. */
const MAX_CHANGES = 16
/** A provider that asks for a longer wait than this is given up on; in ms. */
const MAX_WAIT_MS = 60_000
/**
 * What is worth striking out of messages. A letter, or a placeholder such as `none` or `EMPTY`, is no secret, and a message
 * without it could not be read.
 */
const SECRET = /^(.{8,}|(?=.*[^a-z]).{4,})$/i

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
    onUsage: (usage: TokenUsage) => void,
    signal?: AbortSignal,
  ): Promise<ProviderAnswer> {
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
    let changes = 0
    /** Of tries that came to nothing. */
    let wasted: TokenUsage = NO_USAGE
    for (let retry = 0; ;) {
      signal?.throwIfAborted()
      const shutMs = breaker.enter()
      // What was begun before it shut waits for it as for a provider that fails.
      if (shutMs > 0 && retry === 0) return leftAlone(shutMs, lastFailure)
      let used: TokenUsage = NO_USAGE
      try {
        if (shutMs > 0) throw new CallFailure(lastFailure, { retryable: true })
        const answer = await askOnce(request, takes, (usage) => (used = usage), signal)
        breaker.succeeded()
        learnt = narrower(learnt, takes)
        return { ...answer, usage: sumTokens([used, wasted]), latencyMs: performance.now() - started }
      } catch (error) {
        if (signal?.aborted) breaker.undecided()
        signal?.throwIfAborted()
        if (shutMs === 0) {
          if (isOutage(error)) {
            lastFailure = toldOf(error, apiKey)
            breaker.failed()
          } else breaker.succeeded()
        }
        wasted = sumTokens([wasted, used])
        const change = options.takes && error instanceof CallFailure && error.told && adaptationTo(error.told, takes)
        if (change && 'hopeless' in change) {
          return unreachable(new Error(change.hopeless), retry + 1, wasted, apiKey)
        }
        if (change && changes++ < MAX_CHANGES) {
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

/** Whether a failure says that the provider is down: not one that it answered with a refusal, or with a plea to wait. */
const isOutage = (error: unknown) => error instanceof CallFailure && error.retryable && error.status !== 429

/** What an error says, without the secret. */
function toldOf(error: unknown, apiKey: string | null): string {
  const told = error instanceof Error ? error.message : String(error)
  return apiKey !== null && SECRET.test(apiKey) ? told.replaceAll(apiKey, '[api_key]') : told
}

function unreachable(error: unknown, tries: number, usage: TokenUsage, apiKey: string | null): GavelError {
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
