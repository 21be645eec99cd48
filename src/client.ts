/** The public HTTP API, typed: the SDK, which the commands and the demo use too. Runs on Node, in browsers and at the edge. */
import type * as v from 'valibot'
import { wholeLines } from './core/datasets/whole-lines.ts'
import type { Checkpoint, Manifest } from './core/schemas/checkpoint.ts'
import type { Dataset, DatasetRow, DatasetUpload } from './core/schemas/dataset.ts'
import type { EvalComparison } from './core/schemas/eval.ts'
import type { Job, JobEvent, jobSpec, JobState, JobType, MetricPoint, Sample } from './core/schemas/job.ts'
import type { createJudge, Judge, JudgeCache, setJudgeBudget } from './core/schemas/judge.ts'
import type { Judgment, JudgmentItem } from './core/schemas/judgment.ts'
import type { createKey, Key } from './core/schemas/key.ts'
import type { createModel, Model } from './core/schemas/model.ts'
import type { createRecipe, Recipe, rewardsAnswer, rewardsRequest } from './core/schemas/reward.ts'
import type { Usage } from './core/schemas/usage.ts'
import type { Verdict, VerifyRequest } from './core/schemas/verify.ts'
import { serverSentEvents } from './core/server-sent-events.ts'

export type NewJob = v.InferInput<typeof jobSpec>
export type NewJudge = v.InferInput<typeof createJudge>
type Deleted = { id: string; object: string; deleted: true }
type Query = Record<string, string | number | undefined>
type Body = { json: unknown } | { bytes: Uint8Array<ArrayBuffer>; type: string }

/** News of a job: something happened, or numbers of a step came in (each is told once). */
export type JobNews = { event: JobEvent } | { metrics: MetricPoint }

/** How often a job that is watched is asked for new metrics, in ms. */
const METRICS_MS = 1000
/** A stream that breaks is taken up again after 0.25, 0.5, 1 … 15 s, at most so many times (a minute) without an event. */
const RECONNECTS = 9
/** What a request of an upload holds: a dataset that is longer goes in parts. Cloudflare takes up to 100 MB. */
const PART_BYTES = 32 * 1024 * 1024
/** A part that does not get through is sent again after 0.5, 1 and 2 s. */
const PART_TRIES = 4
/** Rows asked for at a time. */
const PAGE = 200

/** The API refused, or could not be reached. The message says what to do about it. */
export class ApiError extends Error {
  /** HTTP status of the refusal; null when no Gavel API answered. */
  readonly status: number | null
  /** Such as `invalid_request`; `unreachable` when no Gavel API answered. */
  readonly code: string
  /** The field that was wrong, where one was. */
  readonly param: string | null

  constructor(
    message: string,
    options: { status: number | null; code: string; param?: string | null; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.name = 'ApiError'
    this.status = options.status
    this.code = options.code
    this.param = options.param ?? null
  }
}

export interface ClientOptions {
  /** Where the API is, e.g. `http://127.0.0.1:8787`. */
  url: string
  /** API key (`gvl_…`). */
  key: string
}

export type Client = ReturnType<typeof createClient>

/**
 * A client of the API. Every call throws {@link ApiError}. Lists are walked page by page as they are read:
 * `for await (const job of api.jobs.list())`.
 */
export function createClient({ url, key }: ClientOptions) {
  const base = url.replace(/\/+$/, '')

  /** Sends a request and returns the answer, which is a good one. */
  async function request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { query = {}, body, headers = {}, signal = null } = options
    const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    const search = given.length > 0 ? `?${new URLSearchParams(given)}` : ''
    const type = body && ('json' in body ? 'application/json' : body.type)
    const response = await fetch(`${base}${path}${search}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(type && { 'content-type': type }), ...headers },
      body: body ? ('json' in body ? JSON.stringify(body.json) : body.bytes) : null,
      signal,
    }).catch((error: Error) => {
      signal?.throwIfAborted()
      throw unreachable(base, error)
    })
    if (!response.ok) throw await refusal(base, response)
    return response
  }

  async function send<T>(method: string, path: string, json?: unknown, headers?: Record<string, string>): Promise<T> {
    const body = json === undefined ? {} : { body: { json } }
    const response = await request(method, path, { ...body, ...(headers && { headers }) })
    return readJson<T>(base, response)
  }

  /** Every row of a list, or the first `limit` of them; pages are fetched as they are needed. */
  async function* list<T>(path: string, { limit = Infinity, ...query }: Query & { limit?: number } = {}) {
    let { after } = query
    for (let left = limit; left > 0;) {
      const asked = { ...query, after, limit: Math.min(left, PAGE) }
      const page = await readJson<Page<T>>(base, await request('GET', path, { query: asked }))
      yield* page.data
      if (!page.has_more) return
      left -= page.data.length
      after = page.data.at(-1)!.id
    }
  }

  /** What is alike for the kinds of resource. `id` may also be the name of the newest. */
  const resource = <T, New>(path: string) => ({
    create: (body: New) => send<T>('POST', path, body),
    list: (query?: { limit?: number }) => list<T>(path, query),
    get: (id: string) => send<T>('GET', `${path}/${encodeURIComponent(id)}`),
    delete: (id: string) => send<Deleted>('DELETE', `${path}/${encodeURIComponent(id)}`),
  })

  /**
   * Uploads JSONL, one row a line, of any length; a long one goes in parts, with no more than one in memory. A bad line
   * is named in the error, and nothing is stored then.
   * @param appendTo a dataset by id or name: its rows and these are its next version
   */
  async function createDataset(
    jsonl: string | Uint8Array | AsyncIterable<Uint8Array>,
    { name, appendTo }: { name?: string | undefined; appendTo?: string | undefined } = {},
  ): Promise<Dataset> {
    const bytes = typeof jsonl === 'string' ? new TextEncoder().encode(jsonl) : jsonl
    const parts = wholeLines(bytes instanceof Uint8Array ? [bytes] : bytes, PART_BYTES)
    const first = (await parts.next()).value ?? new Uint8Array()
    const second = await parts.next()
    const given = { name, append_to: appendTo }
    const type = 'application/jsonl'
    if (second.done) {
      const body = { bytes: first, type }
      return readJson<Dataset>(base, await request('POST', '/v1/datasets', { query: given, body }))
    }
    const { id } = await send<DatasetUpload>('POST', '/v1/dataset_uploads', given)
    const path = `/v1/dataset_uploads/${id}`
    try {
      let count = 0
      const put = (bytes: Uint8Array<ArrayBuffer>) => putPart(`${path}/parts/${++count}`, { bytes, type })
      await put(first)
      await put(second.value)
      for await (const part of parts) await put(part)
      return await send<Dataset>('POST', `${path}/complete`, { parts: count })
    } catch (error) {
      // What is left else is deleted after a day.
      await request('DELETE', path).catch(() => {})
      throw error
    }
  }

  /** The same part again changes nothing, so one whose answer was lost is sent again. */
  async function putPart(path: string, body: Body): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return void (await (await request('PUT', path, { body })).text())
      } catch (error) {
        if (!(error instanceof ApiError && isPassing(error)) || tries === PART_TRIES) throw error
        await pause(250 * 2 ** tries)
      }
    }
  }

  const jobPath = (id: string) => `/v1/jobs/${encodeURIComponent(id)}`

  /**
   * A job's events from the first (or from after the one given) until the job has ended or `signal` is aborted. A
   * stream that breaks off is taken up where it was.
   */
  async function* streamEvents(id: string, { after, signal }: { after?: string; signal?: AbortSignal } = {}) {
    let last = after
    for (let failures = 0; ; failures++) {
      try {
        const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) }
        const response = await request('GET', `${jobPath(id)}/events`, { headers, ...(signal && { signal }) })
        for await (const { id: sequence, data } of serverSentEvents(response.body!)) {
          if (data === '[DONE]') return
          last = sequence
          failures = 0
          yield JSON.parse(data) as JobEvent
        }
      } catch (error) {
        if (signal?.aborted) return
        // A refusal stands, and an API that was never there need not be waited for.
        if (error instanceof ApiError && (last === undefined || !isPassing(error))) throw error
      }
      if (failures >= RECONNECTS) {
        throw new ApiError(
          `${base} does not come back. Nothing is known of ${id} until it does; \`gavel jobs follow ${id}\` looks again.`,
          {
            status: null,
            code: 'unreachable',
          },
        )
      }
      await pause(Math.min(250 * 2 ** failures, 15_000), signal)
      if (signal?.aborted) return
    }
  }

  /** {@link streamEvents}, and the numbers of each step as they come in. */
  async function* watch(id: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<JobNews, void, void> {
    const over = new AbortController()
    const events = streamEvents(id, { signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal })
    let seen: MetricPoint | undefined
    let next = events.next()
    try {
      for (;;) {
        const turn = await Promise.race([next, pause(METRICS_MS, over.signal).then(() => null)])
        for await (const { step, values } of metricsFrom(id, seen?.step)) {
          const known: Record<string, number> = step === seen?.step ? seen.values : {}
          const news = Object.entries(values).filter(([name, value]) => known[name] !== value)
          seen = { step, values }
          if (news.length > 0) yield { metrics: { step, values: Object.fromEntries(news) } }
        }
        if (turn === null) continue
        if (turn.done) return
        yield { event: turn.value }
        next = events.next()
      }
    } finally {
      // The reader may have left in the middle: let go of the connection.
      over.abort()
    }
  }

  /** The metrics of a step, which may have got more since, and of those after it. None while the API is away. */
  async function* metricsFrom(id: string, step = 0) {
    try {
      const after = step > 0 ? String(step - 1) : undefined
      yield* list<MetricPoint & Row>(`${jobPath(id)}/metrics`, { after })
    } catch (error) {
      // Whether it comes back is for the stream of events to find out.
      if (!(error instanceof ApiError && isPassing(error))) throw error
    }
  }

  return {
    judges: {
      ...resource<Judge, NewJudge>('/v1/judges'),
      cache: (id: string) => send<JudgeCache>('GET', `/v1/judges/${encodeURIComponent(id)}/cache`),
      clearCache: (id: string) => send<JudgeCache>('POST', `/v1/judges/${encodeURIComponent(id)}/cache/clear`),
      /** Tries it, and answers the judge with what was found. */
      probe: (id: string) => send<Judge>('POST', `/v1/judges/${encodeURIComponent(id)}/probe`),
      /** Takes the place of the whole budget; null lifts it. */
      setBudget: (id: string, budget: v.InferInput<typeof setJudgeBudget>['budget']) =>
        send<Judge>('PUT', `/v1/judges/${encodeURIComponent(id)}/budget`, { budget }),
    },
    models: resource<Model, v.InferInput<typeof createModel>>('/v1/models'),
    recipes: resource<Recipe, v.InferInput<typeof createRecipe>>('/v1/recipes'),

    datasets: {
      ...resource<Dataset, never>('/v1/datasets'),
      create: createDataset,
      rows: (id: string, query?: { limit?: number }) =>
        list<{ line: number; row: DatasetRow } & Row>(`/v1/datasets/${encodeURIComponent(id)}/rows`, query),
    },

    keys: {
      create: (body: v.InferInput<typeof createKey>) => send<Key & { key: string }>('POST', '/v1/keys', body),
      list: (query?: { limit?: number }) => list<Key>('/v1/keys', query),
      revoke: (id: string) => send<Deleted>('DELETE', `/v1/keys/${encodeURIComponent(id)}`),
    },

    /** What was used, by day, key and judge. */
    usage: (query?: { limit?: number; from?: string; to?: string }) => list<Usage>('/v1/usage', query),

    /** P(Yes) for each item, in order. */
    judge: async (judge: string, items: JudgmentItem[]) =>
      (await send<{ data: Judgment[] }>('POST', '/v1/judgments', { judge, items })).data,
    /** A verdict for each item, in order. */
    verify: async (body: VerifyRequest) => (await send<{ data: Verdict[] }>('POST', '/v1/verify', body)).data,
    /** A reward for each item, in order. */
    reward: async (body: v.InferInput<typeof rewardsRequest>) =>
      (await send<v.InferOutput<typeof rewardsAnswer>>('POST', '/v1/rewards', body)).data,

    jobs: {
      /** @param idempotencyKey sent again with the same job, it answers the job that was made first */
      create: (spec: NewJob, { idempotencyKey }: { idempotencyKey?: string } = {}) =>
        send<Job>('POST', '/v1/jobs', spec, idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}),
      list: (query?: { limit?: number; state?: JobState; type?: JobType }) => list<Job>('/v1/jobs', query),
      get: (id: string) => send<Job>('GET', jobPath(id)),
      delete: (id: string) => send<Deleted>('DELETE', jobPath(id)),
      cancel: (id: string) => send<Job>('POST', `${jobPath(id)}/cancel`),
      pause: (id: string) => send<Job>('POST', `${jobPath(id)}/pause`),
      resume: (id: string) => send<Job>('POST', `${jobPath(id)}/resume`),
      events: (id: string, query?: { limit?: number; after?: string }) =>
        list<JobEvent>(`${jobPath(id)}/events`, query),
      metrics: (id: string, query?: { limit?: number; after?: string }) =>
        list<MetricPoint & Row>(`${jobPath(id)}/metrics`, query),
      samples: (id: string, query?: { limit?: number; step?: number }) =>
        list<Sample & Row>(`${jobPath(id)}/samples`, query),
      checkpoints: (id: string, query?: { limit?: number }) => list<Checkpoint>(`${jobPath(id)}/checkpoints`, query),
      /** Two evaluations of one dataset, row by row. */
      compare: (id: string, other: string) =>
        send<EvalComparison>('GET', `${jobPath(id)}/compare?with=${encodeURIComponent(other)}`),
      streamEvents,
      watch,
    },

    checkpoints: {
      get: (id: string) => send<Checkpoint>('GET', `/v1/checkpoints/${encodeURIComponent(id)}`),
      delete: (id: string) => send<Deleted>('DELETE', `/v1/checkpoints/${encodeURIComponent(id)}`),
      manifest: (id: string) => send<Manifest>('GET', `/v1/checkpoints/${encodeURIComponent(id)}/files/manifest.json`),
      /** The bytes of a file, as a stream: `response.body`. With `from`, those from a byte on (status 206). */
      file: (id: string, name: string, { from = 0 }: { from?: number } = {}) =>
        request('GET', `/v1/checkpoints/${encodeURIComponent(id)}/files/${encodeURIComponent(name)}`, {
          headers: from > 0 ? { range: `bytes=${from}-` } : {},
        }),
    },
  }
}

/** All rows of a list: `await all(api.datasets.list())`. */
export async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const row of rows) list.push(row)
  return list
}

interface RequestOptions {
  query?: Query
  body?: Body
  headers?: Record<string, string>
  signal?: AbortSignal
}
interface Row {
  id: string
}
interface Page<T> {
  data: (T & Row)[]
  has_more: boolean
}

/** Waits, or until the signal comes. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    if (signal?.aborted) done()
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** Whether the same call may well succeed a little later. */
const isPassing = ({ status }: ApiError) => status === null || status === 429 || status >= 500

async function readJson<T>(base: string, response: Response): Promise<T> {
  const text = await response.text().catch((error: Error) => {
    throw unreachable(base, error)
  })
  try {
    return JSON.parse(text) as T
  } catch {
    throw somethingElse(base, response)
  }
}

async function refusal(base: string, response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  try {
    const { message, code, param } = (JSON.parse(text) as { error: { message: string; code: string; param: string } })
      .error
    return new ApiError(message, { status: response.status, code, param })
  } catch {
    return somethingElse(base, response)
  }
}

function somethingElse(base: string, { status }: Response): ApiError {
  return new ApiError(`What answers at ${base} (status ${status}) is no Gavel API. Check the URL.`, {
    status: null,
    code: 'unreachable',
  })
}

function unreachable(base: string, error: Error): ApiError {
  const why = error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message
  return new ApiError(
    `${base} cannot be reached (${why}). Check the URL, and that the API is running: \`gavel dev\`.`,
    {
      status: null,
      code: 'unreachable',
      cause: error,
    },
  )
}
