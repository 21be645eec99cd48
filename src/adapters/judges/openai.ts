import type { JudgeClient, JudgeRequest, ProviderTakes } from '../../core/ports.ts'
import { ALL_TAKEN } from './adaptations.ts'
import { providerJudgeClient, type ProviderOptions } from './provider-call.ts'
import { postJson, readAnswer, urlBelow } from './provider-request.ts'
import { readFirstToken } from './read-first-token.ts'

export interface OpenAiJudgeOptions extends ProviderOptions {
  /** Up to and with the version: `https://host/v1`; a query goes along with every call. */
  baseUrl: string
  model: string
  /** `completions` posts the messages as one raw text, for models without a chat template. */
  api: 'chat' | 'completions'
}

/** One greedy token, as the provider takes that; more only where it insists, of which the first is read. */
export const oneToken = (takes: ProviderTakes) => ({
  ...(takes.chat_template_kwargs && { chat_template_kwargs: { enable_thinking: false } }),
  [takes.max_tokens_field as 'max_tokens']: takes.max_tokens,
  ...(takes.temperature && { temperature: 0 }),
})

const ENDPOINTS = {
  chat: {
    path: '/chat/completions',
    takes: ALL_TAKEN,
    ask: ({ messages }, { top_logprobs }) => ({ messages, logprobs: true, top_logprobs }),
  },
  completions: {
    path: '/completions',
    takes: { ...ALL_TAKEN, chat_template_kwargs: false },
    ask: ({ messages }, { top_logprobs }) => ({
      prompt: messages.map(({ content }) => content).join('\n\n'),
      logprobs: top_logprobs,
    }),
  },
} satisfies Record<
  OpenAiJudgeOptions['api'],
  { path: string; takes: ProviderTakes; ask: (request: JudgeRequest, takes: ProviderTakes) => object }
>

/** A judge behind any OpenAI-compatible endpoint: one greedy token a question, with its alternatives. */
export function openaiJudgeClient(options: OpenAiJudgeOptions): JudgeClient {
  const { baseUrl, model, apiKey } = options
  const { path, ask, takes } = ENDPOINTS[options.api]
  const url = urlBelow(baseUrl, path)
  return providerJudgeClient(
    async (request, takes, fetch) => {
      const body = { model, ...ask(request, takes), ...oneToken(takes) }
      return readFirstToken(await readAnswer(await fetch(url, postJson(url, apiKey, body))))
    },
    { takes, ...options },
  )
}
