/** What is known of providers, a case each: what they refuse and answer, and what a judge must make of it. */
import type { ProviderTakes } from '../../../src/core/ports.ts'
import { chatAnswer, SPOKEN, type Body, type Quirk } from './quirk-server.ts'

export interface Case extends Quirk {
  api?: 'chat' | 'completions' | 'huggingface'
  /** P(Yes); 0.75 unless it differs. */
  probability?: number
  /** Why there is none. */
  error?: RegExp
  /** How many requests the first question takes, and each later one. */
  requests?: [first: number, later: number]
  takes?: Partial<ProviderTakes>
}

/** Refuses what `isWrong`, in OpenAI's form. */
export const openaiError = (message: string, param: string | null, code: string | null, status = 400) => ({
  status,
  body: { error: { message, type: 'invalid_request_error', param, code } },
})
const atMost = (limit: number, say: (asked: number) => { status: number; body: unknown }) => (body: Body) =>
  Number(body.top_logprobs ?? body.logprobs) > limit ? say(Number(body.top_logprobs ?? body.logprobs)) : null
const without = (field: string, say: { status: number; body: unknown }) => (body: Body) => (field in body ? say : null)

const UNSUPPORTED_MAX_TOKENS = openaiError(
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
  'max_tokens',
  'unsupported_parameter',
)
const TEMPERATURE_IS_ONE = openaiError(
  "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
  'temperature',
  'unsupported_value',
)
const SIXTEEN_AT_LEAST = openaiError(
  "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.",
  'max_output_tokens',
  'integer_below_min_value',
)
const tokensOf = (body: Body) => Number(body.max_tokens ?? body.max_completion_tokens)

/** As OpenAI's newest: one complaint at a time. */
export const newOpenai = (body: Body) =>
  'chat_template_kwargs' in body
    ? openaiError("Unknown parameter: 'chat_template_kwargs'.", 'chat_template_kwargs', 'unknown_parameter')
    : 'max_tokens' in body
      ? UNSUPPORTED_MAX_TOKENS
      : 'temperature' in body
        ? TEMPERATURE_IS_ONE
        : tokensOf(body) < 16
          ? SIXTEEN_AT_LEAST
          : null

export const [YES, NO] = SPOKEN as [(typeof SPOKEN)[0], (typeof SPOKEN)[0]]
const fewer = (n: number) => {
  const masses = { yes: 0, no: 0 }
  for (const { token, logprob } of SPOKEN.slice(0, n)) {
    const side = token.trim().toLowerCase()
    if (side === 'yes' || side === 'no') masses[side] += Math.exp(logprob!)
  }
  return masses.yes / (masses.yes + masses.no)
}

export const CASES: Record<string, Case> = {
  'asks for 20 alternatives of one greedy token': { requests: [1, 1] },

  // The number of alternatives
  'TGI: top_n_tokens, a name that was not sent': {
    refuse: atMost(5, (n) => ({
      status: 422,
      body: { error: `Input validation error: \`top_n_tokens\` must be >= 0 and <= 5. Given: ${n}`, error_type: 'validation' },
    })),
    requests: [2, 1],
    takes: { top_logprobs: 5, temperature: true, max_tokens: 1 },
  },
  'TGI through the Hub’s client': {
    api: 'huggingface',
    refuse: atMost(5, (n) => ({
      status: 422,
      body: { error: `Input validation error: \`top_n_tokens\` must be >= 0 and <= 5. Given: ${n}`, error_type: 'validation' },
    })),
    requests: [2, 1],
  },
  'vLLM started with --max-logprobs 4': {
    refuse: atMost(4, (n) => ({
      status: 400,
      body: { error: { message: `Requested sample logprobs of ${n}, which is greater than max allowed: 4`, type: 'BadRequestError', param: null, code: 400 } },
    })),
    requests: [2, 1],
    takes: { top_logprobs: 4 },
  },
  'vLLM of old: an object without `error`': {
    refuse: atMost(5, () => ({
      status: 400,
      body: { object: 'error', message: 'Cannot request more than 5 logprobs.', type: 'BadRequestError', param: null, code: 400 },
    })),
    requests: [2, 1],
  },
  'completions, at most 3': {
    api: 'completions',
    refuse: atMost(3, () => openaiError("Invalid value for 'logprobs': must be less than or equal to 3.", 'logprobs', null)),
    answer: ({ logprobs }) => completionsAnswer(SPOKEN.slice(0, Number(logprobs))),
    probability: fewer(3),
    requests: [2, 1],
    takes: { top_logprobs: 3, chat_template_kwargs: false },
  },
  'Fireworks: one line a complaint': {
    refuse: atMost(5, (n) => openaiError(`1 request validation errors:\n- Input should be less than or equal to 5, field: 'top_logprobs', value: ${n}`, null, null)),
    requests: [2, 1],
    takes: { top_logprobs: 5, chat_template_kwargs: true },
  },
  'Qwen: a range': {
    refuse: atMost(5, (n) => openaiError(`<400> InternalError.Algo.InvalidParameter: Invalid 'top_logprobs': ${n}. Expected an integer in range [0, 5]`, null, 'invalid_parameter_error')),
    requests: [2, 1],
  },
  'Together: `param` alone says what it is about': {
    refuse: atMost(5, () => openaiError('Input validation error', 'top_logprobs', null)),
    requests: [3, 1],
    takes: { top_logprobs: 5 },
  },
  'a limit of 2, of which nothing but the field is told': {
    refuse: atMost(2, () => ({ status: 422, body: { detail: [{ type: 'value_error', loc: ['body', 'top_logprobs'], msg: 'no' }] } })),
    probability: fewer(2),
    requests: [6, 1],
    takes: { top_logprobs: 2 },
  },
  'one alternative is not enough': {
    refuse: atMost(1, (n) => ({ status: 400, body: { error: { message: `${n} is greater than the maximum of 1 - 'logprobs'`, type: 'invalid_request_error', param: 'logprobs', code: null } } })),
    error: /fewer than two alternatives.*use another provider.*maximum of 1/,
    requests: [1, 1],
  },
  'the limit in the body of a 200': {
    refuse: atMost(5, () => ({ status: 200, body: { error: { code: 400, message: 'Provider returned error', metadata: { provider_name: 'P', raw: JSON.stringify({ error: { message: "Invalid value for 'top_logprobs': must be less than or equal to 5.", param: 'top_logprobs' } }) } } } })),
    requests: [2, 1],
  },

  // The fields of newer OpenAI models
  'max_completion_tokens': {
    refuse: without('max_tokens', UNSUPPORTED_MAX_TOKENS),
    requests: [2, 1],
    takes: { max_tokens_field: 'max_completion_tokens', max_tokens: 1, temperature: true, chat_template_kwargs: true, top_logprobs: 20 },
  },
  'max_completion_tokens, told in the message alone': {
    refuse: without('max_tokens', openaiError("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", null, 'invalid_request_body')),
    requests: [2, 1],
    takes: { max_tokens_field: 'max_completion_tokens', temperature: true, chat_template_kwargs: true },
  },
  'temperature 0': {
    refuse: without('temperature', TEMPERATURE_IS_ONE),
    requests: [2, 1],
    takes: { temperature: false, chat_template_kwargs: true, max_tokens_field: 'max_tokens' },
  },
  'temperature, by older TGIs': {
    refuse: without('temperature', { status: 422, body: { error: 'Input validation error: `temperature` must be strictly positive', error_type: 'validation' } }),
    requests: [2, 1],
    takes: { temperature: false },
  },
  'at least 16 tokens: the first is read': {
    refuse: (body) => (tokensOf(body) < 16 ? SIXTEEN_AT_LEAST : null),
    answer: () => chatAnswer(SPOKEN, YES, [{ token: 'No', logprob: 0 }, { token: '.', logprob: 0 }]),
    requests: [2, 1],
    takes: { max_tokens: 16, max_tokens_field: 'max_tokens' },
  },
  'all of them, one after the other': {
    refuse: newOpenai,
    requests: [5, 1],
    takes: { max_tokens_field: 'max_completion_tokens', max_tokens: 16, temperature: false, chat_template_kwargs: false, top_logprobs: 20 },
  },
  'all of them behind a gateway': {
    refuse: (body) => {
      const said = newOpenai(body)
      return said && { status: 400, body: { error: { message: 'Provider returned error', code: 400, metadata: { raw: JSON.stringify(said.body), provider_name: 'Azure' } }, user_id: 'x' } }
    },
    requests: [5, 1],
  },

  'the least number of tokens, told by its code alone': {
    refuse: (body) => (tokensOf(body) < 16 ? openaiError('integer below minimum value', 'max_output_tokens', 'integer_below_min_value') : null),
    requests: [2, 1],
    takes: { max_tokens: 16 },
  },
  'more tokens than are worth paying for': {
    refuse: () => openaiError('max_tokens must be at least 1024', 'max_tokens', null),
    error: /at least 1024/,
    requests: [1, 1],
  },
  'neither name of the limit': {
    refuse: () => UNSUPPORTED_MAX_TOKENS,
    error: /'max_tokens' is not supported/,
    requests: [2, 2],
    takes: { max_tokens_field: 'max_tokens' },
  },
  'a field that was not sent': {
    refuse: () => openaiError("Unsupported parameter: 'max_completion_tokens'", 'max_completion_tokens', 'unsupported_parameter'),
    error: /max_completion_tokens/,
    requests: [1, 1],
  },
  'the first of two names is the one that is refused': {
    refuse: without('temperature', openaiError("'temperature' is not supported together with logprobs", null, null)),
    requests: [2, 1],
    takes: { temperature: false, top_logprobs: 20 },
  },
  'a value, of which only the field is named': {
    refuse: without('temperature', openaiError('must be positive', 'temperature', null)),
    requests: [2, 1],
    takes: { temperature: false },
  },
  'the field stands above what is said of it': {
    refuse: atMost(5, () => ({ status: 422, body: { error: { param: 'top_logprobs', details: [{ message: 'out of bounds' }] } } })),
    requests: [3, 1],
    takes: { top_logprobs: 5 },
  },

  // chat_template_kwargs
  'Groq: property is unsupported': {
    refuse: without('chat_template_kwargs', openaiError("property 'chat_template_kwargs' is unsupported", null, null)),
    requests: [2, 1],
    takes: { chat_template_kwargs: false, temperature: true, top_logprobs: 20 },
  },
  'Mistral: extra_forbidden': {
    refuse: without('chat_template_kwargs', { status: 422, body: { object: 'error', message: { detail: [{ type: 'extra_forbidden', loc: ['body', 'chat_template_kwargs'], msg: 'Extra inputs are not permitted', input: {} }] }, type: 'invalid_request_error', param: null, code: null } }),
    requests: [2, 1],
    takes: { chat_template_kwargs: false },
  },
  'Gemini: an error in a list': {
    refuse: without('chat_template_kwargs', { status: 400, body: [{ error: { code: 400, message: 'Invalid JSON payload received. Unknown name "chat_template_kwargs": Cannot find field.', status: 'INVALID_ARGUMENT', details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ description: 'Invalid JSON payload received. Unknown name "chat_template_kwargs": Cannot find field.' }] }] } }] }),
    requests: [2, 1],
  },
  'Python’s spelling of a list': {
    refuse: without('chat_template_kwargs', { status: 400, body: { object: 'error', message: "[{'type': 'extra_forbidden', 'loc': ('body', 'chat_template_kwargs'), 'msg': 'Extra inputs are not permitted', 'input': {}}]", type: 'BadRequestError', param: null, code: 400 } }),
    requests: [2, 1],
  },
  'JSON Schema: additional properties': {
    refuse: without('chat_template_kwargs', openaiError("Additional properties are not allowed ('chat_template_kwargs' was unexpected) - 'chat_template_kwargs'", null, null)),
    requests: [2, 1],
  },
  'no name at all': {
    refuse: without('chat_template_kwargs', openaiError('Unrecognized request argument', null, null)),
    requests: [2, 1],
    takes: { chat_template_kwargs: false },
  },
  'a model that cannot but think': {
    refuse: without('chat_template_kwargs', openaiError('parameter.enable_thinking must be set to true', null, null)),
    requests: [2, 1],
    takes: { chat_template_kwargs: false },
  },

  // No log-probabilities at all
  'OpenAI: reasoning models': {
    refuse: without('logprobs', { status: 403, body: { error: { message: 'You are not allowed to request logprobs from this model', type: 'invalid_request_error', param: null, code: null } } }),
    error: /no log-probabilities of this model.*\/rerank, or a local judge.*You are not allowed/,
    requests: [1, 1],
  },
  'OpenAI: reasoning models, as a parameter': {
    refuse: without('logprobs', openaiError("Unsupported parameter: 'logprobs' is not supported with this model.", 'logprobs', 'unsupported_parameter')),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'OpenAI: older models': {
    refuse: without('logprobs', openaiError("This model does not support the 'logprobs' parameter.", 'logprobs', null)),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'LiteLLM: a list of parameters': {
    refuse: without('logprobs', openaiError("litellm.UnsupportedParamsError: ollama_chat does not support parameters: ['logprobs'], for model=m. To drop these, set `litellm.drop_params=True`", null, '400')),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'LiteLLM: temperature': {
    refuse: without('temperature', openaiError("litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0. Only temperature=1 is supported.", null, '400')),
    requests: [2, 1],
    takes: { temperature: false },
  },
  'Groq: logprobs': {
    refuse: without('logprobs', openaiError('`logprobs` is not supported with this model', null, null)),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'Gemini: logprobs': {
    refuse: without('logprobs', { status: 400, body: [{ error: { code: 400, message: 'Logprobs is not enabled for models/gemini-2.5-pro', status: 'INVALID_ARGUMENT' } }] }),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'Mistral: both fields in one refusal': {
    refuse: without('logprobs', { status: 422, body: { object: 'error', message: { detail: ['chat_template_kwargs', 'logprobs', 'top_logprobs'].map((name) => ({ type: 'extra_forbidden', loc: ['body', name], msg: 'Extra inputs are not permitted' })) }, type: 'invalid_request_error', param: null, code: null } }),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'Bedrock: extraneous key': {
    refuse: without('logprobs', { status: 400, body: { message: '#: extraneous key [logprobs] is not permitted, please reformat your input and try again.' } }),
    error: /no log-probabilities of this model/,
    requests: [1, 1],
  },
  'Anthropic, older Ollama: ignored in silence': {
    answer: () => ({ choices: [{ message: { content: 'Yes' }, finish_reason: 'length' }], usage: { prompt_tokens: 20, completion_tokens: 1 } }),
    error: /returned no log-probabilities.*or a local judge/,
    requests: [1, 1],
  },

  // Errors in answers
  'an error beside no choices': { answer: () => ({ error: { code: 401, message: 'No auth credentials found' }, choices: [] }), error: /200 with an error \(401\) \(check the api_key of the judge\): No auth/, requests: [1, 1] },
  'a 429 in the body of a 200, once': {
    refuse: (_, times) => (times === 1 ? { status: 200, body: { error: { code: 429, message: 'slow down' } } } : null),
    requests: [2, 1],
  },
  'a 502 in a choice, once': {
    refuse: (_, times) => (times === 1 ? { status: 200, body: { choices: [{ index: 0, finish_reason: 'error', error: { code: 502, message: 'upstream died' }, message: { content: '' } }] } } : null),
    requests: [2, 1],
  },
  'a choice that ended in an error without one, once': {
    refuse: (_, times) => (times === 1 ? { status: 200, body: { choices: [{ index: 0, finish_reason: 'error', message: { content: '' } }], usage: { prompt_tokens: null, completion_tokens: null } } } : null),
    requests: [2, 1],
  },
  'a code in words, once': {
    refuse: (_, times) => (times === 1 ? { status: 200, body: { error: { code: 'rate_limit_exceeded', message: 'slow down' } } } : null),
    requests: [2, 1],
  },
  'FastChat: an object of its own': { answer: () => ({ object: 'error', message: 'only 100 tokens', code: 40303 }), error: /\(403\).*only 100 tokens/, requests: [1, 1] },
  'a 400 in the body of a 200 is final': { answer: () => ({ error: { code: 400, message: 'bad prompt' } }), error: /bad prompt/, requests: [1, 1] },
  'an empty error beside an answer is none': { answer: () => ({ ...chatAnswer(SPOKEN), error: null, errors: [] }), requests: [1, 1] },
  'Azure: the content filter': {
    refuse: () => ({ status: 400, body: { error: { message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", type: null, param: 'prompt', code: 'content_filter', status: 400, innererror: { code: 'ResponsibleAIPolicyViolation' } } } }),
    error: /400: The response was filtered/,
    requests: [1, 1],
  },
  'a content filter in a choice': { answer: () => ({ choices: [{ finish_reason: 'content_filter', message: { content: '' }, logprobs: null }] }), error: /content filter stopped the answer/, requests: [1, 1] },

  // Words that are no refusal of a field
  'an error that only mentions fields': {
    refuse: () => openaiError("Your prompt 'set temperature and logprobs to what is not supported' breaks our rules; max_tokens and chat_template_kwargs do not help.", 'messages', 'policy'),
    error: /breaks our rules/,
    requests: [1, 1],
  },
  'the context is too long': {
    refuse: () => openaiError("This model's maximum context length is 4096 tokens. However, you requested 5001 tokens (5000 in the messages, 1 in the completion).", 'messages', 'context_length_exceeded'),
    error: /maximum context length/,
    requests: [1, 1],
  },
  'no such model': { refuse: () => openaiError('The model `m` does not exist', null, 'model_not_found', 404), error: /does not exist/, requests: [1, 1] },
  'no credit': { refuse: () => ({ status: 402, body: { error: { message: 'logprobs is not supported without credit', code: 402 } } }), error: /402/, requests: [1, 1] },
  'never satisfied': {
    refuse: () => openaiError('top_logprobs: 20 is invalid; temperature is not supported', 'top_logprobs', null),
    error: /fewer than two|no log-probabilities/,
  },

  // Numbers
  'a null among the alternatives': { answer: () => chatAnswer([...SPOKEN, { token: 'YES', logprob: null }]), requests: [1, 1] },
  '-Infinity, as Python writes it': { answer: () => JSON.stringify(chatAnswer([...SPOKEN, { token: 'a -Infinity "quoted"', logprob: -1234.5 }])).replace('-1234.5', '-Infinity'), requests: [1, 1] },
  'a number below all doubles': { answer: () => JSON.stringify(chatAnswer([...SPOKEN, { token: 'No', logprob: -1234.5 }])).replace('-1234.5', '-1e999'), requests: [1, 1] },
  'the other label cannot be': { answer: () => chatAnswer([YES, { token: 'No', logprob: null }]), probability: 1, requests: [1, 1] },
  'nothing can be': { answer: () => chatAnswer([{ token: 'Yes', logprob: null }, { token: 'No', logprob: null }]), error: /returned no log-probabilities/, requests: [1, 1] },
  'the sampled token, spelled without its space': {
    answer: () => chatAnswer([{ ...YES, token: ' Yes' }, NO], YES),
    probability: fewer(2),
    requests: [1, 1],
  },
  'the sampled token, spelled as SentencePiece does, with fewer digits': {
    answer: () => chatAnswer([{ ...YES, token: '▁Yes' }, NO], { token: 'Yes', logprob: Number(YES.logprob!.toFixed(7)) }),
    probability: fewer(2),
    requests: [1, 1],
  },
  'another spelling of another log-probability is another token': {
    answer: () => chatAnswer([YES, NO], { token: ' Yes', logprob: Math.log(0.1) }),
    probability: 0.7 / 0.9,
    requests: [1, 1],
  },
  'another word of the same log-probability is another token': {
    answer: () => chatAnswer([{ token: 'Yes', logprob: Math.log(0.4) }, { token: 'The', logprob: -4 }], { token: 'No', logprob: Math.log(0.4) }),
    probability: 0.5,
    requests: [1, 1],
  },
  'completions: the sampled token is not among the alternatives': {
    api: 'completions',
    answer: () => completionsAnswer([NO, { token: 'The', logprob: -4 }], YES),
    probability: fewer(2),
    requests: [1, 1],
  },
  'usage with nulls': { answer: () => ({ ...chatAnswer(SPOKEN), usage: { prompt_tokens: null, completion_tokens: null, total_tokens: null } }), requests: [1, 1] },
  'null usage': { answer: () => ({ ...chatAnswer(SPOKEN), usage: null }), requests: [1, 1] },
} // prettier-ignore

for (const status of [425, 498, 521, 523]) {
  CASES[`${status}, once`] = {
    refuse: (_, times) => (times === 1 ? { status, body: 'try again' } : null),
    requests: [2, 1],
  }
}

function completionsAnswer(top: typeof SPOKEN, sampled = top[0]!) {
  const logprobs = {
    tokens: [sampled.token],
    token_logprobs: [sampled.logprob],
    top_logprobs: [Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))],
    text_offset: [0],
  }
  return { choices: [{ text: sampled.token, index: 0, finish_reason: 'length', logprobs }] }
}
