import type { JudgeClient, JudgeRequest } from '../../core/ports.ts'
import { providerJudgeClient, type ProviderOptions } from './provider-call.ts'

export interface OpenAiJudgeOptions extends ProviderOptions {
  /** Up to and with the version: `https://host/v1`. */
  baseUrl: string
  model: string
  /** `completions` posts the messages as one raw text, for models without a chat template. */
  api: 'chat' | 'completions'
}

const ENDPOINTS = {
  chat: {
    path: '/chat/completions',
    ask: ({ messages }: JudgeRequest, topLogprobs: number) => ({ messages, logprobs: true, top_logprobs: topLogprobs }),
  },
  completions: {
    path: '/completions',
    ask: ({ messages }: JudgeRequest, topLogprobs: number) => ({
      prompt: messages.map(({ content }) => content).join('\n\n'),
      logprobs: topLogprobs,
    }),
  },
} satisfies Record<
  OpenAiJudgeOptions['api'],
  { path: string; ask: (request: JudgeRequest, topLogprobs: number) => object }
>

/** A judge behind any OpenAI-compatible endpoint: one greedy token a question, with its alternatives. */
export function openaiJudgeClient(options: OpenAiJudgeOptions): JudgeClient {
  const { path, ask } = ENDPOINTS[options.api]
  const url = options.baseUrl.replace(/\/+$/, '') + path
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (options.apiKey !== null) headers.authorization = `Bearer ${options.apiKey}`
  return providerJudgeClient(async (request, topLogprobs, fetch) => {
    const body = { model: options.model, ...ask(request, topLogprobs), max_tokens: 1, temperature: 0 }
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    try {
      return JSON.parse(text)
    } catch {
      throw new Error(`its answer is not JSON: ${JSON.stringify(text.slice(0, 100))}`)
    }
  }, options)
}
