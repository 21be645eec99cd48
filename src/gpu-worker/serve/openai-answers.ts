import type { GenerationPart, GenerationUsage, TokenInfo } from './model-service.ts'

export interface AnswerHead {
  id: string
  /** Unix time in seconds. */
  created: number
  model: string
}

/** A choice's parts put together. */
export interface WholeChoice {
  text: string
  tokens: TokenInfo[]
  finish: GenerationPart['finish']
}

/** What differs between the two endpoints; `logprobs` says whether they were asked for. */
export interface Dialect {
  idPrefix: string
  whole(head: AnswerHead, choices: readonly WholeChoice[], logprobs: boolean, usage: GenerationUsage): object
  /** The first event of a choice, where the dialect has one. */
  opening(head: AnswerHead, choice: number): object | null
  event(head: AnswerHead, part: GenerationPart, logprobs: boolean, offset: number): object
  usageEvent(head: AnswerHead, usage: GenerationUsage): object
}

const usageOf = ({ promptTokens, completionTokens }: GenerationUsage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
})

/** A token that is only a part of a character has no text of its own, so its bytes are not known. */
const bytesOf = (token: string) => (token.includes('\ufffd') ? null : [...new TextEncoder().encode(token)])
const withBytes = ({ token, logprob }: { token: string; logprob: number }) => ({
  token,
  logprob,
  bytes: bytesOf(token),
})

const chatLogprobs = (tokens: readonly TokenInfo[], wanted: boolean) =>
  wanted
    ? { content: tokens.map((t) => ({ ...withBytes(t), top_logprobs: t.top.map(withBytes) })), refusal: null }
    : null

const chunk = ({ id, created, model }: AnswerHead, choices: object[]) => ({
  id,
  object: 'chat.completion.chunk',
  created,
  model,
  choices,
})

export const chatDialect: Dialect = {
  idPrefix: 'chatcmpl-',
  whole: ({ id, created, model }, choices, logprobs, usage) => ({
    id,
    object: 'chat.completion',
    created,
    model,
    choices: choices.map(({ text, tokens, finish }, index) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: chatLogprobs(tokens, logprobs),
      finish_reason: finish,
    })),
    usage: usageOf(usage),
  }),
  opening: (head, index) =>
    chunk(head, [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }]),
  event: (head, { choice, text, tokens, finish }, logprobs) =>
    chunk(head, [
      {
        index: choice,
        delta: text ? { content: text } : {},
        logprobs: chatLogprobs(tokens, logprobs),
        finish_reason: finish,
      },
    ]),
  usageEvent: (head, usage) => ({ ...chunk(head, []), usage: usageOf(usage) }),
}

/** The older form: parallel lists, with the offset of each token in the text. */
function completionLogprobs(tokens: readonly TokenInfo[], wanted: boolean, offset: number) {
  if (!wanted) return null
  let at = offset
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ token, logprob, top }) => ({
      ...Object.fromEntries(top.map((other) => [other.token, other.logprob])),
      [token]: logprob,
    })),
    text_offset: tokens.map(({ token }) => {
      at += token.length
      return at - token.length
    }),
  }
}

const completion = ({ id, created, model }: AnswerHead, choices: object[]) => ({
  id,
  object: 'text_completion',
  created,
  model,
  choices,
})

export const completionDialect: Dialect = {
  idPrefix: 'cmpl-',
  whole: (head, choices, logprobs, usage) => ({
    ...completion(
      head,
      choices.map(({ text, tokens, finish }, index) => ({
        index,
        text,
        logprobs: completionLogprobs(tokens, logprobs, 0),
        finish_reason: finish,
      })),
    ),
    usage: usageOf(usage),
  }),
  opening: () => null,
  event: (head, { choice, text, tokens, finish }, logprobs, offset) =>
    completion(head, [
      { index: choice, text, logprobs: completionLogprobs(tokens, logprobs, offset), finish_reason: finish },
    ]),
  usageEvent: (head, usage) => ({ ...completion(head, []), usage: usageOf(usage) }),
}
