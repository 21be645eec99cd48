import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** One request as it arrived. */
export interface Received {
  path: string
  headers: IncomingMessage['headers']
  body: Record<string, unknown>
  /** What was asked: the last message, or the prompt. */
  text: string
}

export interface ProviderServer {
  url: string
  received: Received[]
  /** The most requests that were open at the same time. */
  peak(): number
  close(): Promise<void>
}

type Misbehaviour = (response: ServerResponse, received: Received, times: number) => boolean | void

/**
 * What the server does when a text begins with the name. `times` counts how often this text was asked, from 1;
 * returning true means to answer properly after all.
 */
const MISBEHAVIOURS: Record<string, Misbehaviour> = {
  'fails-always': (response) => sendError(response, 500, 'the model fell over'),
  'fails-twice': (response, _, times) => times > 2 || sendError(response, 503, 'loading'),
  'busy-once': (response, _, times) => times > 1 || sendError(response, 429, 'slow down', { 'retry-after': '0.05' }),
  'busy-for-an-hour': (response) => sendError(response, 429, 'quota', { 'retry-after': '3600' }),
  'do-not-retry': (response) => sendError(response, 500, 'final', { 'x-should-retry': 'false' }),
  'no-such-model': (response) =>
    sendJson(response, 400, { internalCode: 5007, message: 'No such model @cf/x', name: 'AiError', description: '?' }),
  unauthorized: (response, { headers }) => sendError(response, 401, `bad key ${headers.authorization}`),
  'not-json': (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end('<html>hello</html>'),
  'cut-off': (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices": [{"mes'),
  'other-shape': (response) => sendJson(response, 200, { result: 'fine' }),
  'no-choices': (response) => sendJson(response, 200, envelope([])),
  'word-for-number': (response) =>
    sendJson(response, 200, envelope([{ token: 'Yes', logprob: 'high', top_logprobs: [] }])),
  'no-logprobs': (response) => sendJson(response, 200, envelope(null)),
  'sampled-only': (response) => sendJson(response, 200, envelope([{ token: 'Yes', logprob: -0.1, top_logprobs: [] }])),
  'positive-logprob': (response) =>
    sendJson(response, 200, envelope([{ token: 'Yes', logprob: 3, top_logprobs: [{ token: 'No', logprob: -1 }] }])),
  'hangs-up': (response, _, times) => times > 1 || void response.destroy(),
  'never-answers': () => {},
  huge: (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(`"${'x'.repeat(3 << 20)}"`),
  'no-label-at-all': (response, { path }) => {
    const top = [{ token: 'Well', logprob: -0.1 }, { token: 'Hm', logprob: -3 }] // prettier-ignore
    if (path.endsWith('/chat/completions')) return sendJson(response, 200, envelope([{ ...top[0], top_logprobs: top }]))
    const logprobs = {
      tokens: ['Well'],
      token_logprobs: [-0.1],
      top_logprobs: [{ Well: -0.1, Hm: -3 }],
      text_offset: [0],
    }
    sendJson(response, 200, {
      ...envelope(null),
      choices: [{ index: 0, text: 'Well', finish_reason: 'length', logprobs }],
    })
  },
  refuses: (response, { path }) => sendDecision(response, path, null),
  'forgets-a-label': (response, { path }) => sendDecision(response, path, { Yes: 1 }),
  'more-than-all': (response, { path }) => sendDecision(response, path, { Yes: 0.9, No: 0.9 }),
  'negative-probability': (response, { path }) => sendDecision(response, path, { Yes: -0.5, No: 1.5 }),
  'nan-logprob': (response) =>
    sendText(
      response,
      JSON.stringify(envelope([{ token: 'Yes', logprob: 0, top_logprobs: [] }])).replace(':0,', ':NaN,'),
    ),
  'null-logprob': (response) =>
    sendJson(
      response,
      200,
      envelope([{ token: 'Yes', logprob: null, top_logprobs: [{ token: 'No', logprob: null }] }]),
    ),
  'infinite-logprob': (response) => {
    const top = '[{"token":"Yes","logprob":1e999},{"token":"No","logprob":-1e999}]'
    sendText(response, JSON.stringify(envelope([{ token: 'Yes', logprob: -1, top_logprobs: [] }])).replace('[]', top))
  },
  empty: (response) => sendText(response, ''),
  // A byte now and then, for ever: each is progress, and no answer.
  trickles: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.once('close', () => clearInterval(timer))
  },
  'bursts-open': (response) =>
    void response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(gzipSync(Buffer.alloc(64 << 20, ' '))),
  'goes-round': (response, { path }) => void response.writeHead(302, { location: path }).end(),
  redirects: (response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
}

/**
 * A real HTTP server that speaks OpenAI's chat and completions with log-probabilities, its decisions and System One, and
 * misbehaves on demand.
 * @param options.unknownField what it says of `chat_template_kwargs`, where it does not know that
 */
export async function startProviderServer(
  options: { maxTopLogprobs?: number; delayMs?: number; unknownField?: string } = {},
): Promise<ProviderServer> {
  const { maxTopLogprobs = 20, delayMs = 0, unknownField } = options
  const received: Received[] = []
  const counts = new Map<string, number>()
  let open = 0
  let peak = 0

  const server = createServer(async (request, response) => {
    peak = Math.max(peak, ++open)
    response.once('close', () => open--)
    const sent = JSON.parse(await readAll(request)) as Record<string, unknown>
    // Workers AI's binding wraps what the model is given.
    const body = (sent.inputs ?? sent) as Record<string, unknown>
    const messages = (body.messages ?? body.input ?? body.state) as { content: string }[] | undefined
    const text = messages?.at(-1)?.content ?? String(body.prompt)
    const path = request.url!.startsWith('/run?') ? '/run/chat/completions' : request.url!
    const entry = { path, headers: request.headers, body, text }
    received.push(entry)
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))

    const asked = Number(messages ? body.top_logprobs : body.logprobs)
    if (asked > maxTopLogprobs) {
      return sendError(
        response,
        400,
        `Invalid value for 'top_logprobs': must be less than or equal to ${maxTopLogprobs}.`,
      )
    }
    if (unknownField !== undefined && 'chat_template_kwargs' in body) return sendError(response, 400, unknownField)
    const times = (counts.get(text) ?? 0) + 1
    counts.set(text, times)
    const misbehave = Object.entries(MISBEHAVIOURS).find(([name]) => text.startsWith(name))?.[1]
    if (misbehave && misbehave(response, entry, times) !== true) return
    answer(response, path, text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    peak: () => peak,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** P(Yes) that the server gives a text: a number in it (`p=0.25`), else one half; the rest of the mass is on others. */
function answer(response: ServerResponse, path: string, text: string): void {
  const given = Number(/p=([\d.]+)/.exec(text)?.[1] ?? 0.5)
  if (/(decisions|systemone)$/.test(path)) return void sendDecision(response, path, { Yes: given, No: 1 - given })
  const yes = 0.9 * given
  const distribution: [string, number][] = [
    ['Yes', yes * 0.75],
    [' yes', yes * 0.25],
    ['No', 0.9 - yes],
    ['Maybe', 0.1],
  ]
  const top = distribution.filter(([, p]) => p > 0).map(([token, p]) => ({ token, logprob: Math.log(p) }))
  const said = top[0]!
  if (path.endsWith('/chat/completions')) return sendJson(response, 200, envelope([{ ...said, top_logprobs: top }]))
  const map = Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))
  const logprobs = { tokens: [said.token], token_logprobs: [said.logprob], top_logprobs: [map], text_offset: [0] }
  sendJson(response, 200, {
    ...envelope(null),
    choices: [{ index: 0, text: said.token, finish_reason: 'length', logprobs }],
  })
}

/** Probabilities of a choice, or a refusal. */
function sendDecision(response: ServerResponse, path: string, chosen: Record<string, number> | null): void {
  const usage = { input_tokens: 11, output_tokens: 0 }
  if (path.endsWith('/systemone')) {
    const verdict = chosen
      ? { type: 'choice', choice: 'Yes', probabilities: chosen, confidence: 1 }
      : { type: 'refusal' }
    return sendJson(response, 200, { model: 'm', answers: { verdict }, usage })
  }
  const probabilities = Object.entries(chosen ?? {}).map(([value, probability]) => ({ value, probability }))
  const answer = chosen ? { type: 'choice', choice: 'Yes', confidence: 1, probabilities } : { type: 'refusal' }
  sendJson(response, 200, { model: 'm', answers: [{ ...answer, name: 'verdict' }], usage })
}

function envelope(content: object[] | null): object {
  const logprobs = content && { content }
  const choice = { index: 0, message: { role: 'assistant', content: 'Yes' }, finish_reason: 'length', logprobs }
  const usage = { prompt_tokens: 11, completion_tokens: 1, total_tokens: 12 }
  const choices = content?.length === 0 ? [] : [choice]
  return { id: 'cmpl-1', object: 'chat.completion', created: 1, model: 'm', system_fingerprint: '', choices, usage }
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(text)
}

function sendJson(response: ServerResponse, status: number, body: object, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function sendError(response: ServerResponse, status: number, message: string, headers = {}): void {
  sendJson(response, status, { error: { message, type: 'x', code: null, param: null } }, headers)
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
