/** A real HTTP server that speaks the dialect of one provider: what it refuses, in that provider's form, and what it answers. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Body = Record<string, unknown>
export interface Refusal {
  status: number
  /** JSON, or a text as it is sent. */
  body: unknown
  headers?: Record<string, string>
}

export interface Quirk {
  /** What it says to a request that it does not take; null to one that it takes. `times` counts all requests, from 1. */
  refuse?: (body: Body, times: number) => Refusal | null
  /** What it answers; by default an answer as OpenAI's, with P(Yes) = 0.75. */
  answer?: (body: Body) => unknown
}

export interface QuirkServer {
  url: string
  received: { path: string; headers: Record<string, unknown>; body: Body; isRefused: boolean }[]
  close(): Promise<void>
}

type Alternative = { token: string; logprob: number | null }

/** First tokens with their probabilities, likeliest first: P(Yes) is 0.6 + 0.09 of 0.92, that is 0.75. */
export const SPOKEN: Alternative[] = (
  [
    ['Yes', 0.6],
    ['No', 0.2],
    [' Yes', 0.09],
    ['no', 0.03],
    ['Maybe', 0.02],
    ['The', 0.01],
  ] as const
).map(([token, p]) => ({ token, logprob: Math.log(p) }))

/** A chat answer whose first token was `sampled`, among alternatives; further tokens follow where more were asked for. */
export function chatAnswer(top: readonly unknown[], sampled: unknown = top[0], more: readonly unknown[] = []) {
  const content = [sampled, ...more].map((one, i) => ({ ...(one as object), top_logprobs: i === 0 ? top : [one] }))
  const message = { role: 'assistant', content: 'Yes' }
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message, finish_reason: 'length', logprobs: { content } }],
    usage: { prompt_tokens: 20, completion_tokens: content.length, total_tokens: 20 + content.length },
  }
}

/** The options that a request lists, a letter each. */
export const lettersOf = (body: Body) => [
  ...(body.messages as { content: string }[]).at(-1)!.content.matchAll(/^([A-Z])\. option(\d+)$/gm),
]

/** ln of how much a judge of options likes each, up to a constant: spread over 10 nats, in no order. */
export const likingOf = (option: number) => ((option * 7919) % 100) / 10

/** Answers with the letters of the options it likes best, as many as it is asked for and gives; yes or no where there are none. */
export function optionsAnswer(body: Body, most = Infinity) {
  const letters = lettersOf(body).map(([, token, option]) => ({ token, weight: Math.exp(likingOf(Number(option))) }))
  const total = letters.reduce((sum, { weight }) => sum + weight, 0)
  const spoken = letters.map(({ token, weight }) => ({ token, logprob: Math.log((0.98 * weight) / total) }))
  const all = letters.length === 0 ? SPOKEN : [...spoken, { token: 'The', logprob: Math.log(0.01) }]
  const likeliest = [...all].sort((a, b) => b.logprob! - a.logprob!)
  return chatAnswer(likeliest.slice(0, Math.min(most, Number(body.top_logprobs))))
}

export async function startQuirkServer({ refuse, answer }: Quirk): Promise<QuirkServer> {
  const received: QuirkServer['received'] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Body
    const refusal = refuse?.(body, received.length + 1) ?? null
    received.push({ path: request.url!, headers: request.headers, body, isRefused: refusal !== null })
    const asked = Number(body.top_logprobs ?? body.logprobs)
    const said = refusal?.body ?? answer?.(body) ?? chatAnswer(SPOKEN.slice(0, asked))
    response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/json', ...refusal?.headers })
    response.end(typeof said === 'string' ? said : JSON.stringify(said))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
