import type { GenerationPart, GenerationUsage, PromptInfo, TokenInfo } from './generation.ts'
import type { AnswerForm } from './openai-requests.ts'
import { characters } from './text-stream.ts'

export interface AnswerHead {
  id: string
  /** Unix time in seconds. */
  created: number
  model: string
}

/** A choice's parts put together; a whole answer or an event of a stream has the same. */
export type AnswerPart = Omit<GenerationPart, 'choice'>

/** What differs between the two endpoints. */
export interface Dialect {
  idPrefix: string
  whole(head: AnswerHead, choices: readonly AnswerPart[], form: AnswerForm, usage: GenerationUsage): object
  /** The first event of a choice, where the dialect has one. */
  opening(head: AnswerHead, choice: number): object | null
  /** @param offset where the part's text begins, in characters, as OpenAI and vLLM count */
  event(head: AnswerHead, part: GenerationPart, form: AnswerForm, offset: number): object
  usageEvent(head: AnswerHead, usage: GenerationUsage): object
}

const usageOf = ({ promptTokens, completionTokens }: GenerationUsage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
})

const nameOf = (token: string, id: number, { tokensAsIds }: AnswerForm) => (tokensAsIds ? `token_id:${id}` : token)

/** vLLM's list over the places of a prompt. */
const promptLogprobs = (prompt: PromptInfo | undefined) =>
  prompt?.logprobs && {
    prompt_logprobs: prompt.logprobs.map(
      (place) =>
        place &&
        Object.fromEntries(
          place.map(({ id, logprob, rank, token }) => [String(id), { logprob, rank, decoded_token: token }]),
        ),
    ),
  }

/** Those of the answer: an echoed prompt, with which it begins, has its own. */
const tokenIds = ({ tokens, prompt }: AnswerPart, form: AnswerForm) => {
  const echoed = form.echo && prompt ? prompt.ids.length : 0
  return form.tokenIds && { token_ids: tokens.slice(echoed).map(({ id }) => id) }
}

const promptIds = (prompt: PromptInfo | undefined, form: AnswerForm) =>
  form.tokenIds && prompt && { prompt_token_ids: prompt.ids }

const chatLogprobs = (tokens: readonly TokenInfo[], form: AnswerForm) =>
  form.logprobs
    ? {
        content: tokens.map(({ id, text, logprob, bytes, top }) => ({
          token: nameOf(text, id, form),
          logprob,
          bytes,
          top_logprobs: top.map(({ id, token, logprob, bytes }) => ({
            token: nameOf(token, id, form),
            logprob,
            bytes,
          })),
        })),
        refusal: null,
      }
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
  whole: ({ id, created, model }, choices, form, usage) => ({
    id,
    object: 'chat.completion',
    created,
    model,
    choices: choices.map((choice, index) => ({
      index,
      message: { role: 'assistant', content: choice.text, refusal: null },
      logprobs: chatLogprobs(choice.tokens, form),
      finish_reason: choice.finish,
      stop_reason: choice.stopReason,
      ...tokenIds(choice, form),
    })),
    usage: usageOf(usage),
    ...promptLogprobs(choices[0]?.prompt),
    ...promptIds(choices[0]?.prompt, form),
  }),
  opening: (head, index) =>
    chunk(head, [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }]),
  event: (head, part, form) => ({
    ...chunk(head, [
      {
        index: part.choice,
        delta: part.text ? { content: part.text } : {},
        logprobs: chatLogprobs(part.tokens, form),
        finish_reason: part.finish,
        stop_reason: part.stopReason,
        ...tokenIds(part, form),
      },
    ]),
    ...promptIds(part.prompt, form),
  }),
  usageEvent: (head, usage) => ({ ...chunk(head, []), usage: usageOf(usage) }),
}

/** The older form: parallel lists, with the offset of each token in the text. */
function completionLogprobs(tokens: readonly TokenInfo[], form: AnswerForm, offset: number) {
  if (!form.logprobs) return null
  let at = offset
  return {
    tokens: tokens.map(({ id, text }) => nameOf(text, id, form)),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map((token) => (token.logprob === null ? null : byName(token, form))),
    text_offset: tokens.map(({ text }) => {
      const begin = at
      at += characters(text)
      return begin
    }),
    bytes: tokens.map(({ bytes }) => bytes),
  }
}

/** Alternatives by name, the token itself among them. Where another has its name already, an id keeps them apart. */
function byName({ id, text, logprob, top }: TokenInfo, form: AnswerForm): Record<string, number | null> {
  // Without a prototype: a token may be called __proto__.
  const names = Object.create(null) as Record<string, number | null>
  names[nameOf(text, id, form)] = logprob
  for (const other of top) {
    if (other.id === id) continue
    const name = nameOf(other.token, other.id, form)
    names[Object.hasOwn(names, name) ? `token_id:${other.id}` : name] = other.logprob
  }
  return names
}

const completion = ({ id, created, model }: AnswerHead, choices: object[]) => ({
  id,
  object: 'text_completion',
  created,
  model,
  choices,
})

const completionChoice = (index: number, part: AnswerPart, form: AnswerForm, offset: number) => ({
  index,
  text: part.text,
  logprobs: completionLogprobs(part.tokens, form, offset),
  finish_reason: part.finish,
  stop_reason: part.stopReason,
  ...tokenIds(part, form),
  ...promptIds(part.prompt, form),
  ...promptLogprobs(part.prompt),
})

export const completionDialect: Dialect = {
  idPrefix: 'cmpl-',
  whole: (head, choices, form, usage) => ({
    ...completion(
      head,
      choices.map((choice, index) => completionChoice(index, choice, form, 0)),
    ),
    usage: usageOf(usage),
  }),
  opening: () => null,
  event: (head, part, form, offset) => completion(head, [completionChoice(part.choice, part, form, offset)]),
  usageEvent: (head, usage) => ({ ...completion(head, []), usage: usageOf(usage) }),
}
