import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE } from 'hono/streaming'
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { GavelError } from '../../core/errors.ts'
import { checkDepth } from '../../core/json.ts'
import type { PromptFormat } from '../../core/schemas/training.ts'
import type { GenerationPart, GenerationRequest, GenerationUsage } from './model-service.ts'
import { chatDialect, completionDialect, type AnswerHead, type Dialect, type WholeChoice } from './openai-answers.ts'
import { parseChat, parseCompletion, type ParsedRequest } from './openai-requests.ts'

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

const MAX_BODY = 10 * 2 ** 20

/** OpenAI's routes for one model. */
export function serveApp(deps: ServeDeps): Hono {
  const app = new Hono()
  const card = { id: deps.model, object: 'model', created: deps.created, owned_by: 'gavel', prompt_format: deps.format }

  app.use('/v1/*', async (c, next) => {
    if (deps.apiKey !== null && !sameText(c.req.header('authorization') ?? '', `Bearer ${deps.apiKey}`)) {
      throw new GavelError('unauthorized', 'the API key is missing or wrong; send it as Authorization: Bearer KEY')
    }
    await next()
  })
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: () => {
        throw new GavelError('too_large', `the body is larger than ${MAX_BODY} bytes; send less at once`)
      },
    }),
  )
  app.get('/health', async (c) => {
    const healthy = await deps.healthy()
    return c.json({ status: healthy ? 'ok' : 'starting', model: deps.model }, healthy ? 200 : 503)
  })
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [card], has_more: false }))
  app.get('/v1/models/:id{.+}', (c) => {
    checkModel(deps, c.req.param('id'))
    return c.json(card)
  })
  app.post('/v1/chat/completions', async (c) => answer(c, deps, chatDialect, parseChat(await json(c), randomUUID)))
  app.post('/v1/completions', async (c) =>
    answer(c, deps, completionDialect, parseCompletion(await json(c), randomUUID)),
  )

  app.notFound((c) => {
    const error = new GavelError('not_found', `there is no ${c.req.method} ${c.req.path} here; see GET /v1/models`)
    return c.json(error.toBody(), 404)
  })
  app.onError((error, c) => {
    const known = error instanceof GavelError ? error : new GavelError('internal', 'the server failed; see its log')
    if (known.code === 'internal') console.error(error)
    // OpenAI's own status for a prompt beyond the context.
    const status = known.code === 'prompt_too_long' ? 400 : known.status
    return c.json(known.toBody(), status as 400)
  })
  return app
}

async function answer(c: Context, deps: ServeDeps, dialect: Dialect, request: ParsedRequest): Promise<Response> {
  checkModel(deps, request.model)
  const choices = request.generations[0]?.n ?? 0
  if (choices > deps.maxChoices) {
    throw new GavelError(
      'invalid_request',
      `\`n\` is ${choices}, but at most ${deps.maxChoices} are made at once; lower it`,
      {
        param: 'n',
      },
    )
  }
  const head = { id: dialect.idPrefix + randomUUID(), created: Math.floor(Date.now() / 1000), model: deps.model }
  const stopped = new AbortController()
  c.req.raw.signal.addEventListener('abort', () => stopped.abort(), { once: true })
  const parts = merged(request.generations, (generation) => deps.generate(generation, stopped.signal))
  return request.stream
    ? streamed(c, dialect, head, request, parts, stopped)
    : c.json(await whole(dialect, head, request, parts))
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
  const choices: WholeChoice[] = Array.from({ length: count }, () => ({ text: '', tokens: [], finish: null }))
  let next = await parts.next()
  for (; !next.done; next = await parts.next()) {
    const choice = choices[next.value.choice]!
    choice.text += next.value.text
    choice.tokens.push(...next.value.tokens)
    choice.finish = next.value.finish
  }
  return dialect.whole(head, choices, wantsLogprobs(request), next.value)
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
        const { choice, tokens } = next.value
        const opening = offsets.has(choice) ? null : dialect.opening(head, choice)
        if (opening) await send(opening)
        const offset = offsets.get(choice) ?? 0
        await send(dialect.event(head, next.value, wantsLogprobs(request), offset))
        offsets.set(
          choice,
          tokens.reduce((at, { token }) => at + token.length, offset),
        )
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

const wantsLogprobs = ({ generations }: ParsedRequest) => generations[0]?.topLogprobs != null

function checkModel({ model }: ServeDeps, wanted: string): void {
  if (wanted === model) return
  throw new GavelError(
    'not_found',
    `there is no model ${JSON.stringify(wanted)} here; this server has ${JSON.stringify(model)}`,
    {
      param: 'model',
    },
  )
}

async function json(c: Context): Promise<unknown> {
  const text = await c.req.text()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 200)
    throw new GavelError('malformed_json', `the body is not JSON (${why}); mend it and send it again`, { cause })
  }
  checkDepth(value)
  return value
}

/** Compares in a time that does not tell where two texts differ. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
