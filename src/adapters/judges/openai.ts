import type { JudgeClient, JudgeRequest } from '../../core/ports.ts'
import { postJson, providerJudgeClient, readAnswer, type ProviderOptions, type Wishes } from './provider-call.ts'
import { readFirstToken } from './read-first-token.ts'

export interface OpenAiJudgeOptions extends ProviderOptions {
  /** Up to and with the version: `https://host/v1`. */
  baseUrl: string
  model: string
  /** `completions` posts the messages as one raw text, for models without a chat template. */
  api: 'chat' | 'completions'
}

/** What servers that render chat templates take, so that a model that can think answers at once. */
export const NO_THINKING = { chat_template_kwargs: { enable_thinking: false } }

const ENDPOINTS = {
  chat: {
    path: '/chat/completions',
    ask: ({ messages }: JudgeRequest, { topLogprobs, noThinking }: Wishes) => ({
      messages,
      logprobs: true,
      top_logprobs: topLogprobs,
      ...(noThinking && NO_THINKING),
    }),
  },
  completions: {
    path: '/completions',
    ask: ({ messages }: JudgeRequest, { topLogprobs }: Wishes) => ({
      prompt: messages.map(({ content }) => content).join('\n\n'),
      logprobs: topLogprobs,
    }),
  },
} satisfies Record<OpenAiJudgeOptions['api'], { path: string; ask: (request: JudgeRequest, wishes: Wishes) => object }>

/** A judge behind any OpenAI-compatible endpoint: one greedy token a question, with its alternatives. */
export function openaiJudgeClient(options: OpenAiJudgeOptions): JudgeClient {
  const { path, ask } = ENDPOINTS[options.api]
  const url = options.baseUrl.replace(/\/+$/, '') + path
  return providerJudgeClient(async (request, wishes, fetch) => {
    const body = { model: options.model, ...ask(request, wishes), max_tokens: 1, temperature: 0 }
    return readFirstToken(await readAnswer(await fetch(url, postJson(options.apiKey, body))))
  }, options)
}
