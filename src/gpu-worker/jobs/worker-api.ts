import { ERRORS, GavelError, type ErrorCode } from '../../core/errors.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { UsageCounts } from '../../core/judges/usage-counts.ts'
import type { Manifest, ObjectEntry } from '../../core/schemas/checkpoint.ts'
import type { EventPost, JobError, MetricPoint, Sample } from '../../core/schemas/job.ts'
import type { Judgment as JudgmentAnswer } from '../../core/schemas/judgment.ts'
import type { Download, HeartbeatAnswer, LeasedJob, Upload } from '../../core/schemas/worker.ts'

/** The worker was told that its lease is over: drop the work. */
export class LeaseLost extends Error {}

/** With pauses of 0.5, 1, 2, 4, 8, 15 and 15 s between them: not quite as long as a lease lasts. */
const TRIES = 8
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000
/** A heartbeat that takes so long is given up; the next one tries again. */
const HEARTBEAT_MS = 15_000

export interface WorkerApiOptions {
  url: string
  key: string
  fetch?: typeof fetch
  /** Waits; a test may not want to. */
  sleep?: (ms: number) => Promise<void>
}

/** The API as a worker sees it. Calls are repeated where the network or the server fails and a repeat is safe. */
export class WorkerApi {
  private readonly options: Required<WorkerApiOptions>

  constructor(options: WorkerApiOptions) {
    this.options = { fetch, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), ...options }
  }

  /**
   * The next job, or null where there is none within `waitSeconds`. Asks once.
   * @param signal ends the wait. A job whose answer has begun by then is answered all the same: it is for the caller to give back
   */
  async lease(worker: string, waitSeconds: number, signal: AbortSignal): Promise<LeasedJob | null> {
    signal.throwIfAborted()
    const waiting = new AbortController()
    const leave = () => waiting.abort(signal.reason)
    signal.addEventListener('abort', leave)
    const asked = { signal: waiting.signal, tries: 1, onAnswer: () => signal.removeEventListener('abort', leave) }
    const response = await this.request('/v1/worker/lease', { worker, wait_seconds: waitSeconds }, asked)
    return response.status === 204 ? null : ((await response.json()) as { job: LeasedJob }).job
  }

  /** Everything one lease allows; each call carries its fence. */
  job({ id, fence }: { id: string; fence: number }) {
    const post = async <T = unknown>(what: string, body: object, options?: RequestOptions): Promise<T> => {
      const response = await this.request(`/v1/worker/jobs/${id}/${what}`, { fence, ...body }, options)
      return (response.status === 204 ? undefined : await response.json()) as T
    }
    let reports = 0
    return {
      /** Asks once: the next beat is the repetition. */
      heartbeat: () => post<HeartbeatAnswer>('heartbeat', {}, { tries: 1, signal: AbortSignal.timeout(HEARTBEAT_MS) }),
      metrics: (data: MetricPoint[]) => post('metrics', { data }),
      events: (data: EventPost[]) => post('events', { data }),
      samples: (data: Sample[]) => post('samples', { data }),
      uploads: async (step: number, objects: Manifest['objects']) =>
        (await post<{ data: Upload[] }>('uploads', { step, objects })).data,
      finishUpload: (step: number, object: ObjectEntry, upload: string, etags: readonly string[]) =>
        post('uploads/finish', { step, object, upload, etags }),
      /** Asks once: what is not given up here is later. */
      abortUpload: (step: number, name: string, upload: string) => {
        const path = `/v1/worker/jobs/${id}/uploads/${fence}/${step}/${name}?${new URLSearchParams({ upload })}`
        return this.retrying(() => this.ask(path, { method: 'DELETE' }), { tries: 1 })
      },
      commit: (step: number, manifest: Manifest) => post<{ id: string }>('checkpoints', { step, manifest }),
      complete: (result: Record<string, unknown>) => post('complete', { result }),
      fail: (error: JobError, retryable: boolean) => post('fail', { error, retryable }),
      release: () => post('release', {}),
      /** What a local judge is used for. */
      used: (judge: string, { items, abstained, failed, promptTokens, completionTokens }: UsageCounts) =>
        post('judge-usage', {
          report: ++reports,
          judge,
          items,
          abstained,
          failed,
          prompt_tokens: promptTokens,
          completion_tokens: completionTokens,
        }),
      judge: async (judge: string, items: JudgeItem[]) =>
        (await post<{ data: JudgmentAnswer[] }>('judgments', { judge, items })).data.map(toScored),
    }
  }

  /** Bytes of an object, from a presigned URL or from the API itself. */
  download({ url }: Download, signal: AbortSignal | null = null, from = 0): Promise<Response> {
    const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
    return this.retrying(() => this.ask(url, { headers: range, signal }), { signal })
  }

  /** Sends an object, or a part of one, to its place; `body` is called again for each try. */
  upload(
    { url, method, headers }: Omit<Upload, 'name' | 'key' | 'parts'>,
    body: () => Promise<Blob | Uint8Array<ArrayBuffer>>,
    signal: AbortSignal | null = null,
  ): Promise<Response> {
    const init = async () => ({ method, headers, body: await body(), signal })
    return this.retrying(async () => this.ask(url!, await init()), { signal })
  }

  /** Asks at a place that the API named, with the worker's key where it is the API's own. */
  private ask(url: string, init: RequestInit & { headers?: Record<string, string> }): Promise<Response> {
    return this.options.fetch(this.absolute(url), { ...init, headers: { ...init.headers, ...this.keyFor(url) } })
  }

  /** An absolute URL is presigned and takes no key; a path is the API's own. */
  private keyFor(url: string): Record<string, string> {
    return url.startsWith('/') ? { authorization: `Bearer ${this.options.key}` } : {}
  }

  private absolute(url: string): string {
    return new URL(url, this.options.url).href
  }

  private request(path: string, body: object, options: RequestOptions = {}): Promise<Response> {
    return this.retrying(
      () =>
        this.options.fetch(this.absolute(path), {
          method: 'POST',
          headers: { authorization: `Bearer ${this.options.key}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal: options.signal ?? null,
        }),
      options,
    )
  }

  private async retrying(
    send: () => Promise<Response>,
    { signal, tries = TRIES, onAnswer }: RequestOptions = {},
  ): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await send().catch((error: unknown) => error as Error)
      onAnswer?.()
      signal?.throwIfAborted()
      if (outcome instanceof Response && outcome.ok) return outcome
      const failure = outcome instanceof Response ? await refusal(outcome) : unreachable(outcome, this.options.url)
      if (!(failure instanceof GavelError && failure.retryable) || attempt >= tries) throw failure
      await this.options.sleep(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS))
    }
  }
}

interface RequestOptions {
  signal?: AbortSignal | null
  /** How often to try at most. */
  tries?: number
  /** Called as soon as an answer begins, or the request has failed. */
  onAnswer?: () => void
}

/** A score as it was before the API showed it. */
function toScored(answer: JudgmentAnswer): ScoredItem {
  const { cached, tokens, latency_ms: latencyMs, members } = answer
  const usage = { promptTokens: tokens.prompt, completionTokens: tokens.completion }
  const asking = { cached, usage, latencyMs, ...(members && { members }) }
  if (answer.outcome !== 'scored') {
    const { outcome, reason } = answer
    return outcome === 'failed'
      ? { outcome, reason, ...asking }
      : { outcome, reason, labelMass: answer.label_mass ?? 0, ...asking }
  }
  const { outcome, reward: probability, probability: raw, label_mass: labelMass } = answer
  return { outcome, probability, raw, labelMass, ...asking }
}

async function refusal(response: Response): Promise<Error> {
  const text = await response.text()
  const { error } = parseError(text)
  if (error?.code === 'stale_fence') return new LeaseLost(error.message)
  const message = `${response.status} from ${new URL(response.url).pathname}: ${error?.message ?? text.slice(0, 300)}`
  if (error?.code !== undefined && error.code in ERRORS) return new GavelError(error.code as ErrorCode, message)
  const passing = response.status === 429 || response.status >= 500
  return new GavelError(passing ? 'storage_unavailable' : 'invalid_request', message)
}

function parseError(text: string): { error?: { code?: string; message: string } } {
  try {
    return JSON.parse(text) as { error?: { code?: string; message: string } }
  } catch {
    return {}
  }
}

const unreachable = (error: Error, url: string) => {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return new GavelError('storage_unavailable', `${url} cannot be reached: ${error.message}${cause}`, { cause: error })
}
