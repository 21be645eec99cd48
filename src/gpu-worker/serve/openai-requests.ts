import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { parse } from '../../core/schemas/parse.ts'
import type { GenerationRequest } from './model-service.ts'

/** Fields that would change the answer but are not implemented: their neutral value, or an error that says so. */
const neutral = <const T extends string | number | boolean>(value: T) =>
  v.nullish(v.literal(value, `is not supported here; leave it out or send ${JSON.stringify(value)}`))
const absent = v.nullish(v.custom<object>(isEmpty, 'is not supported here; leave it out'))

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

const integer = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))
const stopText = v.pipe(v.string(), v.minLength(1), v.maxLength(1000))
const MAX_TOP_LOGPROBS = 20

const common = {
  model: v.string(),
  temperature: v.nullish(v.pipe(v.number(), v.minValue(0), v.maxValue(2)), 1),
  top_p: v.nullish(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 1),
  n: v.nullish(integer(1, 128), 1),
  stop: v.nullish(v.union([stopText, v.pipe(v.array(stopText), v.maxLength(16))]), []),
  seed: v.nullish(v.pipe(v.number(), v.safeInteger())),
  stream: v.nullish(v.boolean(), false),
  stream_options: v.nullish(v.object({ include_usage: v.nullish(v.boolean(), false) })),
  frequency_penalty: neutral(0),
  presence_penalty: neutral(0),
  logit_bias: absent,
}

const textPart = v.object({
  type: v.literal('text', 'must be "text": other parts are not supported'),
  text: v.string(),
})
const message = v.object({
  role: v.picklist(['system', 'developer', 'user', 'assistant']),
  content: v.union([v.string(), v.array(textPart)]),
})

export const chatRequest = v.object({
  ...common,
  messages: v.pipe(v.array(message), v.minLength(1)),
  max_tokens: v.nullish(integer(1, 1_000_000)),
  max_completion_tokens: v.nullish(integer(1, 1_000_000)),
  logprobs: v.nullish(v.boolean(), false),
  top_logprobs: v.nullish(integer(0, MAX_TOP_LOGPROBS)),
  tools: absent,
  functions: absent,
  tool_choice: v.nullish(v.picklist(['none', 'auto'], 'is not supported here; leave it out')),
  response_format: v.nullish(v.object({ type: v.literal('text', 'must be "text": no other format is supported') })),
})

const tokenIds = v.array(integer(0, 0x7fffffff))

export const completionRequest = v.object({
  ...common,
  prompt: v.union([v.string(), tokenIds, v.array(v.string()), v.array(tokenIds)]),
  max_tokens: v.nullish(integer(1, 1_000_000), 16),
  logprobs: v.nullish(integer(0, MAX_TOP_LOGPROBS)),
  echo: neutral(false),
  best_of: neutral(1),
  suffix: neutral(''),
})

/** A request as read: what to generate from each prompt, and how to answer. */
export interface ParsedRequest {
  model: string
  generations: GenerationRequest[]
  stream: boolean
  includeUsage: boolean
}

type Common = v.InferOutput<v.ObjectSchema<typeof common, undefined>>

/** Throws `invalid_request` naming the field. `freshSeed` is used where none is given. */
export function parseChat(body: unknown, freshSeed: () => string): ParsedRequest {
  const request = parse(chatRequest, body)
  if (request.top_logprobs != null && !request.logprobs) {
    throw new GavelError('invalid_request', '`logprobs` must be true where `top_logprobs` is given.', {
      param: 'logprobs',
    })
  }
  const messages = request.messages.map(({ role, content }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
  }))
  return withCommon(request, [{ messages }], freshSeed, {
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
  })
}

/** Throws `invalid_request` naming the field. */
export function parseCompletion(body: unknown, freshSeed: () => string): ParsedRequest {
  const request = parse(completionRequest, body)
  const { prompt } = request
  const single = typeof prompt === 'string' || typeof prompt[0] === 'number'
  const inputs = (single ? [prompt] : prompt) as (string | number[])[]
  return withCommon(request, inputs, freshSeed, {
    maxTokens: request.max_tokens,
    topLogprobs: request.logprobs ?? null,
  })
}

function withCommon(
  request: Common,
  inputs: GenerationRequest['input'][],
  freshSeed: () => string,
  own: Pick<GenerationRequest, 'maxTokens' | 'topLogprobs'>,
): ParsedRequest {
  const { model, temperature, top_p: topP, n, stop, stream } = request
  const seed = request.seed ?? freshSeed()
  return {
    model,
    stream,
    includeUsage: request.stream_options?.include_usage ?? false,
    generations: inputs.map((input, i) => ({
      ...own,
      input,
      n,
      temperature,
      topP,
      stop: typeof stop === 'string' ? [stop] : stop,
      // Prompts of one request are drawn for themselves; the first is as if it had been sent alone.
      seed: i === 0 ? seed : `${seed}/${i}`,
    })),
  }
}
