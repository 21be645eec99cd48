/** Every field that OpenAI's and vLLM's clients send, and what becomes of it: one table for validation and for the docs. */
import * as v from 'valibot'
import { looseObject, record } from '../../core/schemas/fields.ts'
import { answerFormat, structuredOutputs } from './format-fields.ts'
import { built, flag, integer, number, refused, wellFormed, without, type Field } from './request-field.ts'

const text = (max: number) => v.pipe(v.string(), v.maxLength(max))
const stopText = v.pipe(v.string(), v.minLength(1), v.maxLength(1000), wellFormed)
const tokenId = integer(0, 0x7fffffff)
const tokenIds = v.pipe(v.array(tokenId), v.maxLength(1024))
const anything = v.unknown()

export const MAX_TOP_LOGPROBS = 20
const MAX_TOKENS = 1_000_000
/** Most prompts of one request, as OpenAI has it. */
const MAX_PROMPTS = 2048

const biases = v.pipe(
  record(number(-100, 100)),
  v.check((value) => Object.keys(value).every((id) => /^\d{1,9}$/.test(id)), 'must have token ids as its names'),
  v.maxEntries(1024),
  v.transform((value) => Object.entries(value).map(([id, bias]) => [Number(id), bias] as const)),
)

const streamOptions = v.strictObject(
  {
    include_usage: v.nullish(v.boolean(), false),
    include_obfuscation: v.nullish(v.boolean()),
    continuous_usage_stats: refused(false).schema,
  },
  'is not known here; leave it out',
)

const COMMON = {
  model: built(v.nullish(v.string()), 'the served model, by its name; may be left out'),
  temperature: built(v.nullish(number(0, 2), 1), '0 to 2, default 1; 0 is greedy'),
  top_p: built(v.nullish(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 1), 'above 0 to 1, default 1'),
  top_k: built(v.nullish(integer(-1, 0x7fffffff), 0), 'default 0; 0 and −1 are all'),
  min_p: built(v.nullish(number(0, 1), 0), '0 to 1, default 0'),
  repetition_penalty: built(
    v.nullish(v.pipe(v.number(), v.gtValue(0), v.maxValue(100)), 1),
    'above 0, default 1; counts prompt and answer',
  ),
  presence_penalty: built(v.nullish(number(-2, 2), 0), '−2 to 2, default 0; counts the answer'),
  frequency_penalty: built(v.nullish(number(-2, 2), 0), '−2 to 2, default 0; counts the answer'),
  logit_bias: built(v.nullish(biases, {}), 'token id → −100 to 100'),
  allowed_token_ids: built(v.nullish(v.pipe(tokenIds, v.minLength(1))), 'only these tokens'),
  seed: built(
    v.nullish(v.pipe(v.number(), v.safeInteger())),
    'the same seed, the same answer; otherwise every request is drawn anew',
  ),
  n: built(v.nullish(integer(1, 128), 1), 'ways to go on, each drawn for itself'),
  stop: built(v.nullish(v.union([stopText, v.pipe(v.array(stopText), v.maxLength(16))]), []), 'up to 16 texts'),
  stop_token_ids: built(v.nullish(tokenIds, []), 'ids that end an answer beside the model’s own'),
  min_tokens: built(v.nullish(integer(0, MAX_TOKENS), 0), 'tokens before anything may end the answer'),
  ignore_eos: flag(false, 'goes on after the model’s own end'),
  include_stop_str_in_output: flag(false, 'shows what the answer stopped at'),
  skip_special_tokens: flag(true, 'whether special tokens are left out of the text'),
  logprob_token_ids: built(
    v.nullish(v.pipe(tokenIds, v.minLength(1))),
    'tells of these tokens instead of the likeliest',
  ),
  prompt_logprobs: built(
    v.nullish(integer(0, MAX_TOP_LOGPROBS)),
    '0 to 20: log-probabilities of the prompt’s tokens; not with `stream`',
  ),
  truncate_prompt_tokens: built(
    v.nullish(v.pipe(integer(-1, MAX_TOKENS), v.notValue(0, 'must be 1 or more, or -1'))),
    'keeps that many tokens of the prompt; −1: as there is room for',
  ),
  truncation_side: built(v.nullish(v.picklist(['left', 'right']), 'left'), 'which side of the prompt is cut'),
  return_token_ids: flag(false, '`token_ids` and `prompt_token_ids`'),
  return_tokens_as_token_ids: flag(false, 'tokens of log-probabilities as `token_id:N`'),
  stream: flag(false, 'server-sent events'),
  stream_options: built(v.nullish(streamOptions), '`include_usage`; `include_obfuscation` does nothing'),
  request_id: built(
    v.nullish(v.pipe(text(128), v.regex(/^[\x21-\x7e]+$/, 'must be printable ASCII'))),
    'in the answer’s `id`',
  ),

  response_format: built(
    v.nullish(answerFormat),
    'text, `json_object`, or `json_schema`: answers are held to it token by token; see below',
  ),
  structured_outputs: built(
    v.nullish(structuredOutputs),
    '`json` (a schema), `json_object` or `choice` (a list of texts)',
  ),

  user: without(text(1000), 'there are no users here'),
  metadata: without(anything, 'nothing is stored'),
  session_id: without(anything, 'there are no sessions here'),
  cache_salt: without(anything, 'no prompt is kept from one request to another'),
  stream_interval: without(integer(1, MAX_TOKENS), 'text is sent as it comes'),

  best_of: refused(1),
  use_beam_search: refused(false),
  length_penalty: refused(1),
  early_stopping: refused(false),
  watermarking: refused(false),
  bad_words: refused([]),
  spaces_between_special_tokens: refused(true),
  thinking_token_budget: refused(-1),
  repetition_detection: refused(),
  guided_json: refused(),
  guided_regex: refused(),
  guided_choice: refused(),
  guided_grammar: refused(),
  priority: refused(0),
  kv_transfer_params: refused([]),
  ec_transfer_params: refused([]),
  vllm_xargs: refused([]),
  routed_experts_prompt_start: refused(0),
  return_token_offsets: refused(false),
  return_mm_kwargs: refused(true),
} satisfies Record<string, Field>

const textPart = v.strictObject(
  {
    type: v.literal('text', 'must be "text": other parts are not supported'),
    text: v.string(),
    cache_control: v.nullish(anything),
    prompt_cache_breakpoint: v.nullish(anything),
  },
  (issue) =>
    issue.expected === 'never'
      ? 'is not a field of a text part that is known here; leave it out'
      : 'must be a JSON object of type "text"',
)

/** A turn as clients send it, also as they got it from an answer. */
const message = v.strictObject(
  {
    role: v.picklist(['system', 'developer', 'user', 'assistant']),
    content: v.union([v.string(), v.array(textPart)]),
    name: v.nullish(v.string()),
    reasoning: v.nullish(v.string()),
    reasoning_content: v.nullish(v.string()),
    refusal: refused('').schema,
    annotations: refused([]).schema,
    audio: refused().schema,
    tool_calls: refused([]).schema,
    function_call: refused().schema,
  },
  (issue) => {
    if (issue.expected === 'never') return 'is not a field of a message that is known here; leave it out'
    return issue.received === 'undefined' && issue.path ? 'is missing; give it' : 'must be a JSON object'
  },
)

export const CHAT_FIELDS = {
  messages: built(v.pipe(v.array(message), v.minLength(1)), 'text; roles system, developer, user, assistant'),
  ...COMMON,
  max_tokens: built(v.nullish(integer(1, MAX_TOKENS)), 'default: what the context has room for'),
  max_completion_tokens: built(v.nullish(integer(1, MAX_TOKENS)), 'the same; goes before `max_tokens`'),
  logprobs: flag(false, 'log-probabilities of the answer’s tokens'),
  top_logprobs: built(v.nullish(integer(0, MAX_TOP_LOGPROBS)), '0 to 20, with `logprobs`'),
  add_generation_prompt: built(
    v.nullish(v.boolean()),
    'default true: the prompt ends where the assistant is to answer',
  ),
  continue_final_message: flag(false, 'the answer goes on with the last message'),
  chat_template_kwargs: built(v.nullish(record(v.unknown()), {}), 'told to the chat template'),
  documents: built(v.nullish(v.array(looseObject({}))), 'told to the chat template'),
  reasoning_effort: built(
    v.nullish(v.picklist(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
    'told to the chat template, and `enable_thinking` with it: false for "none"',
  ),
  add_special_tokens: flag(false, 'puts before the prompt what the tokenizer puts before texts, such as BOS'),

  store: refused(false),
  safety_identifier: without(text(1000), 'there are no users here'),
  prompt_cache_key: without(anything, 'no prompt is kept from one request to another'),
  prompt_cache_retention: without(anything, 'no prompt is kept from one request to another'),
  prompt_cache_options: without(anything, 'no prompt is kept from one request to another'),
  service_tier: without(anything, 'there is one'),
  parallel_tool_calls: without(v.boolean(), 'there are no tools'),
  prediction: without(anything, 'would only make it faster'),
  include_reasoning: refused(true),
  verbosity: refused('medium'),
  modalities: {
    ...refused(),
    schema: v.nullish(v.pipe(v.array(v.literal('text', 'must be "text": no other is supported')), v.maxLength(1))),
    says: 'only `["text"]`',
  },
  audio: refused(),
  moderation: refused(),
  web_search_options: refused(),
  tools: refused([]),
  tool_choice: refused('none', 'auto'),
  functions: refused([]),
  function_call: refused('none', 'auto'),
  chat_template: refused(),
  echo: refused(false),
  return_prompt_text: refused(false),
  media_io_kwargs: refused([]),
  mm_processor_kwargs: refused([]),
} satisfies Record<string, Field>

const promptIds = v.pipe(v.array(tokenId), v.minLength(1))
const prompt = v.union([
  v.pipe(v.string(), v.minLength(1)),
  promptIds,
  v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1), v.maxLength(MAX_PROMPTS)),
  v.pipe(v.array(promptIds), v.minLength(1), v.maxLength(MAX_PROMPTS)),
])

export const COMPLETION_FIELDS = {
  prompt: built(prompt, 'a text, texts, token ids, or lists of them'),
  ...COMMON,
  max_tokens: built(v.nullish(integer(0, MAX_TOKENS), 16), 'default 16; 0 with `echo`'),
  logprobs: built(v.nullish(integer(0, MAX_TOP_LOGPROBS)), '0 to 20'),
  echo: flag(false, 'the answer begins with the prompt; with `logprobs`, its log-probabilities too'),
  add_special_tokens: flag(true, 'puts before a text what the tokenizer puts before texts, such as BOS'),

  suffix: refused(''),
  prompt_embeds: refused(),
} satisfies Record<string, Field>
