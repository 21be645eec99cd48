import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Effect, Field } from '../../../src/gpu-worker/serve/request-field.ts'
import { CHAT_FIELDS, COMPLETION_FIELDS } from '../../../src/gpu-worker/serve/request-fields.ts'
import { parseChat, parseCompletion } from '../../../src/gpu-worker/serve/openai-requests.ts'

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const CHAT: Record<string, Field> = CHAT_FIELDS
const COMPLETIONS: Record<string, Field> = COMPLETION_FIELDS

/** The fields of an interface of OpenAI's SDK. */
function sdkFields(file: string, name: string): string[] {
  const [, body] = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(
    read(`node_modules/openai/resources/${file}`),
  )!
  return [...body!.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field]) => field!)
}

/** vLLM's, beside OpenAI's: ChatCompletionRequest and CompletionRequest of November 2026, and names that it once had. */
const VLLM_BOTH = [
  'use_beam_search', 'top_k', 'min_p', 'repetition_penalty', 'watermarking', 'length_penalty', 'stop_token_ids',
  'include_stop_str_in_output', 'ignore_eos', 'min_tokens', 'skip_special_tokens', 'spaces_between_special_tokens',
  'truncate_prompt_tokens', 'truncation_side', 'prompt_logprobs', 'logprob_token_ids', 'allowed_token_ids', 'bad_words',
  'add_special_tokens', 'structured_outputs', 'priority', 'request_id', 'session_id', 'return_tokens_as_token_ids',
  'return_token_ids', 'routed_experts_prompt_start', 'return_token_offsets', 'return_mm_kwargs', 'cache_salt',
  'kv_transfer_params', 'ec_transfer_params', 'vllm_xargs', 'repetition_detection', 'thinking_token_budget',
  'stream_interval', 'response_format', 'echo', 'best_of', 'early_stopping', 'guided_json', 'guided_regex',
  'guided_choice', 'guided_grammar',
] // prettier-ignore
const VLLM_CHAT = [
  'include_reasoning', 'add_generation_prompt', 'continue_final_message', 'documents', 'chat_template',
  'chat_template_kwargs', 'media_io_kwargs', 'mm_processor_kwargs', 'return_prompt_text', 'reasoning_effort',
] // prettier-ignore

test('knows every field of OpenAI’s SDK and of vLLM', () => {
  const chat = sdkFields('chat/completions/completions.d.ts', 'ChatCompletionCreateParamsBase')
  const completions = sdkFields('completions.d.ts', 'CompletionCreateParamsBase')
  assert.ok(chat.length >= 30 && completions.length >= 15, 'the SDK’s types were read')
  for (const name of [...chat, ...VLLM_BOTH, ...VLLM_CHAT]) assert.ok(Object.hasOwn(CHAT, name), `chat: ${name}`)
  for (const name of [...completions, ...VLLM_BOTH, 'prompt_embeds'])
    assert.ok(Object.hasOwn(COMPLETIONS, name), `completions: ${name}`)
})

test('a refused field is refused by its name, and null is always taken', () => {
  const chat = (extra: object) =>
    parseChat({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...extra }, () => 's')
  const complete = (extra: object) => parseCompletion({ model: 'm', prompt: 'x', ...extra }, () => 's')
  for (const [fields, parse] of [
    [CHAT, chat],
    [COMPLETIONS, complete],
  ] as const) {
    for (const [name, { effect }] of Object.entries(fields)) {
      if (name !== 'model' && name !== 'messages' && name !== 'prompt')
        assert.doesNotThrow(() => parse({ [name]: null }), name)
      if (effect !== 'refused') continue
      const refused = {
        code: 'invalid_request',
        message: new RegExp(`\`${name}.*(not supported here; leave it out|must be)`),
      }
      for (const value of ['something', { a: 1 }, [1], 7.5])
        assert.throws(() => parse({ [name]: value }), refused, name)
    }
    assert.throws(() => parse({ temprature: 1 }), { param: 'temprature', message: /not a field that is known here/ })
  }
})

const HEADINGS: Record<Effect, string> = {
  built: '### Built',
  none: '### Taken, without a bearing on the answer',
  refused: '### Refused, but for what does nothing',
}

/** Rows of the documents' tables: a field that both endpoints have alike is one row. */
function table(effect: Effect): string {
  const names = [...new Set([...Object.keys(CHAT), ...Object.keys(COMPLETIONS)])]
  const rows = names.flatMap((name): [of: string, name: string, field: Field | undefined][] => {
    const [chat, completions] = [CHAT[name], COMPLETIONS[name]]
    const alike = chat?.effect === completions?.effect && chat?.says === completions?.says
    if (alike) return [['both', name, chat]]
    return [
      ['chat', name, chat],
      ['completions', name, completions],
    ]
  })
  const shown = rows.filter(([, , field]) => field?.effect === effect)
  return [
    '| field | of | |',
    '| --- | --- | --- |',
    ...shown.map(([of, name, field]) => `| \`${name}\` | ${of} | ${field!.says} |`),
  ].join('\n')
}

test('docs/serve.md has the tables of the fields', () => {
  const docs = read('docs/serve.md')
  for (const [effect, heading] of Object.entries(HEADINGS) as [Effect, string][]) {
    const [, after] = docs.split(`${heading}\n`)
    const found = (after ?? '').trim().split('\n\n')[0]
    assert.equal(found, table(effect), `put this below ${heading}:\n${table(effect)}\n`)
  }
})
