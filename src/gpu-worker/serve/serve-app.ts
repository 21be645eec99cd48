import { Hono, type Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { GavelError } from '../../core/errors.ts'
import type { PromptFormat } from '../../core/schemas/training.ts'
import type { GenerationPart, GenerationRequest, GenerationUsage } from './generation.ts'
import { chatDialect, completionDialect } from './openai-answers.ts'
import type { AnswerHead, AnswerPart, Dialect } from './openai-answers.ts'
import { parseChat, parseCompletion, type ParsedRequest } from './openai-requests.ts'
import { readJson } from './read-json.ts'
import { characters } from './text-stream.ts'

export interface ServeDeps {
  /** The model's name to clients. */
  model: string
  /** Unix time in seconds of the server's start. */
  created: number
  /** What a training or evaluation of it takes a `prompt` for; chat where it has a chat template. */
  format: PromptFormat
  /** Most ways to go on of one request. */
  maxChoices: number
  apiKey: string | null
  /** Parts as they come, then the usage. */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationPart, GenerationUsage>
  /** Whether the model is there to answer. */
  healthy(): Promise<boolean>
}

/** Requests under way or waiting; one more is refused, so that a flood does not pile up. */
const MAX_CALLS = 256

/** OpenAI's routes for one model. */
export function serveApp(deps: ServeDeps): Hono {
  // A base URL that was given with a slash at its end is the same.
  const app = new Hono({ strict: false })
  const card = { id: deps.model, object: 'model', created: deps.created, owned_by: 'gavel', prompt_format: deps.format }
  const calls = { count: 0 }

  type Handler = (c: Context) => Response | Promise<Response>
  const route = (method: 'GET' | 'POST', path: string, handler: Handler) => {
    app.on(method, path, (c) => {
      if (path.startsWith('/v1/')) checkKey(deps, c)
      return handler(c)
    })
    app.all(path, (c) => {
      const allow = method === 'GET' ? 'GET, HEAD' : method
      const message = `${c.req.path.slice(0, 200)} does not take ${c.req.method}; use ${allow}`
      return c.json(new GavelError('method_not_allowed', message).toBody(), 405, { Allow: allow })
    })
  }
  route('GET', '/health', async (c) => {
    const healthy = await deps.healthy()
    return c.json({ status: healthy ? 'ok' : 'starting', model: deps.model }, healthy ? 200 : 503)
  })
  route('GET', '/v1/models', (c) => c.json({ object: 'list', data: [card], has_more: false }))
  route('GET', '/v1/models/:id{.+}', (c) => {
    checkModel(deps, c.req.param('id')!)
    return c.json(card)
  })
  route('POST', '/v1/chat/completions', async (c) =>
    answer(c, deps, calls, chatDialect, parseChat(await readJson(c.req.raw), randomUUID)),
  )
  route('POST', '/v1/completions', async (c) =>
    answer(c, deps, calls, completionDialect, parseCompletion(await readJson(c.req.raw), randomUUID)),
  )

  app.notFound((c) => {
    const path = c.req.path.slice(0, 200)
    const error = new GavelError('not_found', `there is no ${c.req.method} ${path} here; see GET /v1/models`)
    return c.json(error.toBody(), 404)
  })
  app.onError((error, c) => {
    const known = error instanceof GavelError ? error : new GavelError('internal', 'the server failed; see its log')
    if (known.code === 'internal' && !c.req.raw.signal.aborted) console.error(error)
    if (known.refusesRetry) c.header('x-should-retry', 'false')
    if (known.status === 401) c.header('www-authenticate', 'Bearer')
    // OpenAI's own status for a prompt beyond the context, and for fields that do not go together.
    const status = known.status === 422 ? 400 : known.status
    return c.json(known.toBody(), status as 400)
  })
  return app
}

async function answer(
  c: Context,
  deps: ServeDeps,
  calls: { count: number },
  dialect: Dialect,
  request: ParsedRequest,
): Promise<Response> {
  checkModel(deps, request.model)
  const choices = request.generations[0]?.n ?? 0
  if (choices > deps.maxChoices) {
    const message = `\`n\` is ${choices}, but at most ${deps.maxChoices} are made at once; lower it`
    throw new GavelError('invalid_request', message, { param: 'n' })
  }
  if (calls.count >= MAX_CALLS)
    throw new GavelError('rate_limited', `${MAX_CALLS} requests are under way already; try again in a moment`)
  const id = dialect.idPrefix + (request.requestId ?? randomUUID())
  const head = { id, created: Math.floor(Date.now() / 1000), model: deps.model }
  const stopped = new AbortController()
  c.req.raw.signal.addEventListener('abort', () => stopped.abort(), { once: true })
  const parts = counted(
    calls,
    merged(request.generations, (generation) => deps.generate(generation, stopped.signal)),
  )
  return request.stream
    ? streamed(c, dialect, head, request, parts, stopped)
    : c.json(await whole(dialect, head, request, parts))
}

/** Counts a request as under way until all of it is made, or has failed. */
async function* counted(calls: { count: number }, parts: Parts): Parts {
  calls.count++
  try {
    return yield* parts
  } finally {
    calls.count--
  }
}

type Parts = AsyncGenerator<GenerationPart, GenerationUsage>

/** The answers to all prompts of a request at once, choices numbered through. */
async function* merged(generations: GenerationRequest[], generate: (request: GenerationRequest) => Parts): Parts {
  const usage = { promptTokens: 0, completionTokens: 0 }
  const advance = (source: Parts, first: number) => source.next().then((result) => ({ source, first, result }))
  const pending = new Map(
    generations.map((generation, i) => {
      const source = generate(generation)
      return [source, advance(source, i * generation.n)]
    }),
  )
  while (pending.size > 0) {
    const { source, first, result } = await Promise.race(pending.values())
    if (result.done) {
      pending.delete(source)
      usage.promptTokens += result.value.promptTokens
      usage.completionTokens += result.value.completionTokens
    } else {
      pending.set(source, advance(source, first))
      yield { ...result.value, choice: first + result.value.choice }
    }
  }
  return usage
}

async function whole(dialect: Dialect, head: AnswerHead, request: ParsedRequest, parts: Parts): Promise<object> {
  const count = request.generations.reduce((sum, { n }) => sum + n, 0)
  const choices: AnswerPart[] = Array.from({ length: count }, () => ({
    text: '',
    tokens: [],
    finish: null,
    stopReason: null,
  }))
  let next = await parts.next()
  for (; !next.done; next = await parts.next()) {
    const { choice: place, text, tokens, ...rest } = next.value
    const choice = choices[place]!
    choice.text += text
    for (const token of tokens) choice.tokens.push(token)
    Object.assign(choice, rest)
  }
  return dialect.whole(head, choices, request.form, next.value)
}

async function streamed(
  c: Context,
  dialect: Dialect,
  head: AnswerHead,
  request: ParsedRequest,
  parts: Parts,
  stopped: AbortController,
): Promise<Response> {
  // What is wrong with a request shows before its first part, when the status can still say so.
  let next = await parts.next()
  return streamSSE(c, async (stream) => {
    stream.onAbort(() => stopped.abort())
    const send = (event: object) => stream.writeSSE({ data: JSON.stringify(event) })
    const offsets = new Map<number, number>()
    try {
      for (; !next.done; next = await parts.next()) {
        const { choice, text } = next.value
        const opening = offsets.has(choice) ? null : dialect.opening(head, choice)
        if (opening) await send(opening)
        const offset = offsets.get(choice) ?? 0
        await send(dialect.event(head, next.value, request.form, offset))
        offsets.set(choice, offset + characters(text))
      }
      if (request.includeUsage) await send(dialect.usageEvent(head, next.value))
      await stream.writeSSE({ data: '[DONE]' })
    } catch (error) {
      if (stopped.signal.aborted) return
      await send(
        (error instanceof GavelError ? error : new GavelError('internal', 'the server failed; see its log')).toBody(),
      )
    }
  })
}

function checkKey({ apiKey }: ServeDeps, c: Context): void {
  if (apiKey === null || sameText(c.req.header('authorization') ?? '', `Bearer ${apiKey}`)) return
  throw new GavelError('unauthorized', 'the API key is missing or wrong; send it as Authorization: Bearer KEY')
}

function checkModel({ model }: ServeDeps, wanted: string | null): void {
  if (wanted === null || wanted === model) return
  throw new GavelError(
    'not_found',
    `there is no model ${JSON.stringify(wanted)} here; this server has ${JSON.stringify(model)}`,
    {
      param: 'model',
    },
  )
}

/** Compares in a time that does not tell where two texts differ. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
