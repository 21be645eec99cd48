import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { parse } from '../../core/schemas/parse.ts'
import type { Conversation, GenerationRequest } from './generation.ts'
import type { AnswerFormat, Json } from './json-grammar.ts'
import type { Field } from './request-field.ts'
import { CHAT_FIELDS, COMPLETION_FIELDS } from './request-fields.ts'

/** How an answer is to be put. */
export interface AnswerForm {
  logprobs: boolean
  /** Names tokens by their ids. */
  tokensAsIds: boolean
  /** Tells the ids of prompt and answer. */
  tokenIds: boolean
  /** The answer begins with its prompt. */
  echo: boolean
}

/** A request as read: what to generate from each prompt, and how to answer. */
export interface ParsedRequest {
  /** Null is the one there is. */
  model: string | null
  generations: GenerationRequest[]
  form: AnswerForm
  stream: boolean
  includeUsage: boolean
  /** The client's own, for the answer's id. */
  requestId: string | null
}

type Schemas<F extends Record<string, Field>> = { [K in keyof F]: F[K]['schema'] }

/** An object of exactly these fields. What is not known is refused: it might have changed the answer elsewhere. */
function schemaOf<F extends Record<string, Field>>(fields: F) {
  const entries = Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema])) as Schemas<F>
  return v.strictObject(entries, (issue) => {
    if (issue.expected === 'never') return 'is not a field that is known here; leave it out'
    if (issue.received === 'undefined' && issue.path) return 'is missing; give it'
    return 'must be a JSON object'
  })
}

const chatRequest = schemaOf(CHAT_FIELDS)
const completionRequest = schemaOf(COMPLETION_FIELDS)
type ChatRequest = v.InferOutput<typeof chatRequest>
type CompletionRequest = v.InferOutput<typeof completionRequest>

/** Throws `invalid_request` naming the field. `freshSeed` is used where none is given. */
export function parseChat(body: unknown, freshSeed: () => string): ParsedRequest {
  const request = parse(chatRequest, body)
  if (request.top_logprobs != null && !request.logprobs) throw needs('logprobs', 'true', 'top_logprobs')
  if (request.logprob_token_ids && !request.logprobs) throw needs('logprobs', 'true', 'logprob_token_ids')
  return withCommon(request, [conversation(request)], freshSeed, {
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
    echo: false,
  })
}

/** Throws `invalid_request` naming the field. */
export function parseCompletion(body: unknown, freshSeed: () => string): ParsedRequest {
  const request = parse(completionRequest, body)
  const { prompt, max_tokens: maxTokens, echo, logprobs } = request
  if (maxTokens === 0 && !echo && request.prompt_logprobs == null) {
    throw new GavelError('invalid_request', '`max_tokens` must be at least 1 unless `echo` is true.', {
      param: 'max_tokens',
    })
  }
  if (request.logprob_token_ids && logprobs == null) throw needs('logprobs', 'given', 'logprob_token_ids')
  const single = typeof prompt === 'string' || typeof prompt[0] === 'number'
  const inputs = (single ? [prompt] : prompt) as (string | number[])[]
  return withCommon(request, inputs, freshSeed, { maxTokens, topLogprobs: logprobs ?? null, echo })
}

/** Throws `invalid_request` where what an answer must be is said twice, or with what would break it. */
function formatOf(request: ChatRequest | CompletionRequest): AnswerFormat | null {
  const { response_format: asked, structured_outputs: outputs } = request
  const formats: AnswerFormat[] = []
  if (asked?.type === 'json_object' || outputs?.json_object) formats.push({ type: 'json_object' })
  if (asked?.type === 'json_schema') formats.push({ type: 'json_schema', schema: asked.json_schema.schema })
  if (outputs?.json != null) formats.push({ type: 'json_schema', schema: schemaOfText(outputs.json) })
  if (outputs?.choice) formats.push({ type: 'choice', options: outputs.choice })
  if (formats.length > 1) {
    const message = '`structured_outputs` and `response_format` both say what the answer must be; give one.'
    throw new GavelError('invalid_request', message, { param: 'structured_outputs' })
  }
  for (const field of ['min_tokens', 'ignore_eos'] as const) {
    if (formats.length === 0 || !request[field]) continue
    throw new GavelError('invalid_request', `\`${field}\` cannot be had where the answer must have a form.`, {
      param: field,
    })
  }
  return formats[0] ?? null
}

/** vLLM takes schemas as texts, too. */
function schemaOfText(schema: Json): Json {
  if (typeof schema !== 'string') return schema
  try {
    return JSON.parse(schema) as Json
  } catch {
    throw new GavelError('invalid_request', '`structured_outputs.json` is a text that is not JSON.', {
      param: 'structured_outputs.json',
    })
  }
}

const needs = (field: string, what: string, where: string) =>
  new GavelError('invalid_request', `\`${field}\` must be ${what} where \`${where}\` is given.`, { param: field })

function conversation(request: ChatRequest): Conversation {
  const {
    continue_final_message: continueFinalMessage,
    add_generation_prompt: asked,
    reasoning_effort: effort,
  } = request
  if (continueFinalMessage && asked) {
    throw new GavelError(
      'invalid_request',
      '`add_generation_prompt` cannot be true with `continue_final_message`: there the last message is not over.',
      { param: 'add_generation_prompt' },
    )
  }
  const messages = request.messages.map(({ role, content, name, reasoning, reasoning_content }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
    ...(name != null && { name }),
    ...(reasoning != null && { reasoning }),
    ...(reasoning_content != null && { reasoning_content }),
  }))
  return {
    messages,
    addGenerationPrompt: asked ?? !continueFinalMessage,
    continueFinalMessage,
    args: {
      ...(effort && { reasoning_effort: effort, enable_thinking: effort !== 'none' }),
      ...(request.documents && { documents: request.documents }),
      ...request.chat_template_kwargs,
    },
  }
}

function withCommon(
  request: ChatRequest | CompletionRequest,
  inputs: GenerationRequest['input'][],
  freshSeed: () => string,
  own: { maxTokens: number | null; topLogprobs: number | null; echo: boolean },
): ParsedRequest {
  const { maxTokens, topLogprobs, echo } = own
  const { min_tokens: minTokens, prompt_logprobs: promptLogprobs, stream } = request
  if (maxTokens !== null && minTokens > maxTokens) {
    const message = `\`min_tokens\` is ${minTokens}, but \`max_tokens\` is ${maxTokens}; lower it.`
    throw new GavelError('invalid_request', message, { param: 'min_tokens' })
  }
  if (stream && promptLogprobs != null) {
    const message = '`prompt_logprobs` are not streamed; leave `stream` out.'
    throw new GavelError('invalid_request', message, { param: 'prompt_logprobs' })
  }
  const logprobs = topLogprobs === null ? null : { top: topLogprobs, ids: request.logprob_token_ids ?? null }
  const tokenIds = request.return_token_ids
  const seed = request.seed ?? freshSeed()
  const { stop, truncate_prompt_tokens: kept } = request
  const shared: Omit<GenerationRequest, 'input' | 'seed'> = {
    addSpecialTokens: request.add_special_tokens,
    truncate: kept == null ? null : { tokens: kept, side: request.truncation_side },
    n: request.n,
    maxTokens,
    sampling: {
      temperature: request.temperature,
      minP: request.min_p,
      topK: Math.max(0, request.top_k),
      topP: request.top_p,
      repetitionPenalty: request.repetition_penalty,
      frequencyPenalty: request.frequency_penalty,
      presencePenalty: request.presence_penalty,
      logitBias: request.logit_bias,
      allowedIds: request.allowed_token_ids ?? null,
      minTokens,
    },
    stop: {
      texts: typeof stop === 'string' ? [stop] : stop,
      ids: request.stop_token_ids,
      ignoreEos: request.ignore_eos,
      includeStop: request.include_stop_str_in_output,
    },
    format: formatOf(request),
    skipSpecialTokens: request.skip_special_tokens,
    echo,
    tokens: logprobs !== null || tokenIds,
    logprobs,
    promptLogprobs: promptLogprobs ?? null,
  }
  return {
    model: request.model ?? null,
    stream,
    form: { logprobs: logprobs !== null, tokensAsIds: request.return_tokens_as_token_ids, tokenIds, echo },
    includeUsage: request.stream_options?.include_usage ?? false,
    requestId: request.request_id ?? null,
    // Prompts of one request are drawn for themselves; the first is as if it had been sent alone.
    generations: inputs.map((input, i) => ({ ...shared, input, seed: i === 0 ? seed : `${seed}/${i}` })),
  }
}
