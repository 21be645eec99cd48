/** The fields of OpenAI's and vLLM's clients, by the official SDK against a running server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { after, test } from 'node:test'
import OpenAI from 'openai'
import type { Completion, CompletionChoice, CompletionCreateParamsNonStreaming } from 'openai/resources/completions'
import type { ChatCompletion, ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat/completions'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import { compileSchema } from '../../../src/core/verifiers/json-schema/json-schema.ts'
import { LabelScorer } from '../../../src/gpu-worker/rollout/label-scorer.ts'
import { startModelServer } from '../../../src/gpu-worker/serve/start-model-server.ts'
import { TokenBytes } from '../../../src/gpu-worker/text/token-bytes.ts'
import { tinyModelFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

const CHAT_TEMPLATE =
  '{% for m in messages %}<{{ m.role }}{% if m.name %} {{ m.name }}{% endif %}>{{ m.content }}<eos>{% endfor %}' +
  '{% if documents %}[{{ documents[0].text }}]{% endif %}{% if tone %}({{ tone }}){% endif %}' +
  "{% if reasoning_effort %}{{ reasoning_effort }}{{ ' thinks' if enable_thinking else '' }}{% endif %}" +
  '{% if add_generation_prompt %}<assistant>{% endif %}'
const { tokenizer, config } = tinyTokenizer()
const folder = tinyModelFolder({ tokenizer: { tokenizer, config: { ...config, chat_template: CHAT_TEMPLATE } } })
const { model, weights, codec } = openPath(folder)
const [EOS] = codec.stopIds
const source = {
  model: { type: 'path' as const, path: folder },
  hub: { cacheFolder: '/nonexistent' },
  port: 0,
  threads: 1,
}
const server = await startModelServer({ ...source, context: 256 })
after(() => server.close())
const client = new OpenAI({ baseURL: `${server.url}/v1/`, apiKey: 'none', maxRetries: 0 })

const PROMPT = 'Tom has 3 apples 🍎. How many?\n'
const ids = codec.encode(PROMPT)

type VllmCompletion = Omit<Completion, 'choices'> & {
  choices: (CompletionChoice & {
    stop_reason: string | number | null
    token_ids?: number[]
    prompt_token_ids?: number[]
    prompt_logprobs?: (Record<string, { logprob: number; rank: number; decoded_token: string }> | null)[]
    logprobs: { bytes: number[][] } | null
  })[]
}
/** What TypeScript does not know of: vLLM's fields go beside OpenAI's, as `extra_body` in Python. */
const complete = (extra: object) =>
  client.completions.create({
    model: server.model,
    prompt: PROMPT,
    max_tokens: 12,
    temperature: 0,
    ...extra,
  } as CompletionCreateParamsNonStreaming) as unknown as Promise<VllmCompletion>
const chat = (extra: object) =>
  client.chat.completions.create({
    model: server.model,
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 4,
    return_token_ids: true,
    ...extra,
  } as ChatCompletionCreateParamsNonStreaming) as unknown as Promise<ChatCompletion & { prompt_token_ids: number[] }>
const choice = async (extra: object) => (await complete({ return_token_ids: true, ...extra })).choices[0]!

const greedy = await choice({})
const greedyIds = greedy.token_ids!
const WARM = { temperature: 1, seed: 4 }
const warm = await choice(WARM)

test('tells the ids of prompt and answer, and why it ended', async () => {
  assert.deepEqual(greedy.prompt_token_ids, ids)
  assert.equal(greedyIds.length, 12)
  assert.equal(greedy.text, codec.decode(greedyIds))
  assert.deepEqual([greedy.finish_reason, greedy.stop_reason], ['length', null])
})

test('top_k of 1, top_p near 0 and min_p of 1 are greedy, at any temperature', async () => {
  for (const only of [{ top_k: 1 }, { top_p: 1e-6 }, { min_p: 1 }])
    assert.deepEqual((await choice({ temperature: 1.5, seed: 4, ...only })).token_ids, greedyIds)
  assert.notDeepEqual((await choice({ temperature: 1.5, seed: 4, top_k: -1 })).token_ids, greedyIds)
})

test('penalties, bias and allowed tokens change the greedy answer as they should', async () => {
  const [first] = greedyIds
  const { token_ids: never } = await choice({ logit_bias: { [first!]: -100 } })
  assert.notEqual(never![0], first)
  const { token_ids: always } = await choice({ logit_bias: { 77: 100 } })
  assert.deepEqual(always, Array(12).fill(77))
  const { token_ids: fresh } = await choice({ frequency_penalty: 2, logit_bias: { 77: 3, 78: 3.5 }, max_tokens: 6 })
  assert.ok(new Set(fresh).size >= 2)
  const { token_ids: once } = await choice({
    allowed_token_ids: [70, 71, 72],
    presence_penalty: 2,
    frequency_penalty: 2,
    max_tokens: 3,
  })
  assert.deepEqual([...once!].sort(), [70, 71, 72])
  const { token_ids: unseen } = await choice({ repetition_penalty: 100, max_tokens: 8 })
  assert.equal(new Set([...unseen!, ...ids]).size, 8 + new Set(ids).size)
})

test('ends at the model’s own end and at given ids, never before min_tokens', async () => {
  const end = { logit_bias: { [EOS!]: 100 } }
  const ended = await choice({ ...end, logprobs: 1 })
  assert.deepEqual([ended.text, ended.finish_reason, ended.stop_reason, ended.token_ids], ['', 'stop', null, [EOS]])
  assert.deepEqual(ended.logprobs!.tokens, [''])
  const late = await choice({ ...end, min_tokens: 3 })
  assert.equal(late.token_ids!.length, 4)
  assert.ok(!late.token_ids!.slice(0, 3).includes(EOS!))
  const on = await choice({ ...end, ignore_eos: true })
  assert.deepEqual([on.text, on.finish_reason, on.token_ids], ['', 'length', Array(12).fill(EOS)])
  const shown = await choice({ ...end, ignore_eos: true, skip_special_tokens: false, max_tokens: 2 })
  assert.equal(shown.text, codec.tokenText(EOS!).repeat(2))
  const [a, b, third] = warm.token_ids as [number, number, number]
  assert.equal(new Set([a, b, third]).size, 3)
  const stopped = await choice({ ...WARM, stop_token_ids: [third] })
  assert.deepEqual([stopped.finish_reason, stopped.stop_reason], ['stop', third])
  assert.equal(stopped.text, codec.decode([a, b]))
  const included = await choice({ ...WARM, stop_token_ids: [third], include_stop_str_in_output: true })
  assert.equal(included.text, codec.decode([a, b, third]))
})

test('stop texts are named, shown on request, and wait for min_tokens', async () => {
  const stop = warm.text.slice(4, 6)
  const at = warm.text.indexOf(stop)
  const plain = await choice({ ...WARM, stop: [stop, 'never'] })
  assert.deepEqual([plain.text, plain.stop_reason], [warm.text.slice(0, at), stop])
  const shown = await choice({ ...WARM, stop, include_stop_str_in_output: true })
  assert.equal(shown.text, warm.text.slice(0, at) + stop)
  assert.equal((await choice({ ...WARM, stop, min_tokens: 11 })).finish_reason, 'length')
})

test('echo tells the log-probabilities of a prompt, as training’s engine computes them', async () => {
  const scorer = await LabelScorer.create(model, weights, { threads: 1, maxTokens: 256 })
  const expected = await scorer.score(
    ids.slice(1).map((_, i) => ids.slice(0, i + 1)),
    ids,
  )
  await scorer.release()
  for (const prompt of [PROMPT, ids]) {
    const { choices, usage } = await complete({ prompt, echo: true, logprobs: 2, max_tokens: 0 })
    const { text, logprobs, finish_reason } = choices[0]!
    assert.equal(text, PROMPT)
    assert.equal(finish_reason, 'length')
    assert.equal(usage!.completion_tokens, 0)
    const { tokens, token_logprobs, top_logprobs, text_offset, bytes } = logprobs!
    assert.equal(tokens!.join(''), PROMPT)
    assert.deepEqual(Buffer.from(bytes.flat()), Buffer.from(PROMPT))
    assert.deepEqual([token_logprobs![0], top_logprobs![0]], [null, null])
    const characters = [...PROMPT]
    tokens!.forEach((token, i) => {
      assert.equal(characters.slice(text_offset![i], text_offset![i]! + [...token].length).join(''), token)
      if (i === 0) return
      assert.ok(Math.abs(token_logprobs![i]! - expected[i - 1]![i]!) < 1e-4)
      assert.equal(top_logprobs![i]![token], token_logprobs![i])
      assert.ok([2, 3].includes(Object.keys(top_logprobs![i]!).length))
    })
  }
  const both = await complete({ echo: true, logprobs: 0, max_tokens: 3 })
  assert.equal(both.choices[0]!.text, PROMPT + codec.decode(greedyIds.slice(0, 3)))
  assert.equal(both.choices[0]!.logprobs!.tokens!.length, ids.length + 3)
  const named = await choice({ echo: true, max_tokens: 3 })
  assert.deepEqual([named.prompt_token_ids, named.token_ids], [ids, greedyIds.slice(0, 3)])
})

test('prompt_logprobs are vLLM’s: by id, with rank and text', async () => {
  const { choices } = await complete({ prompt_logprobs: 1, max_tokens: 1 })
  const places = choices[0]!.prompt_logprobs!
  const echoed = await complete({ echo: true, logprobs: 0, max_tokens: 0 })
  assert.equal(places.length, ids.length)
  assert.equal(places[0], null)
  places.slice(1).forEach((place, i) => {
    const own = place![String(ids[i + 1])]!
    assert.equal(own.logprob, echoed.choices[0]!.logprobs!.token_logprobs![i + 1])
    const best = Object.values(place!).find(({ rank }) => rank === 1)!
    assert.ok(own.rank === 1 ? own === best : own.logprob < best.logprob)
    assert.equal(typeof own.decoded_token, 'string')
  })
})

test('streams the same tokens, texts and offsets', async () => {
  const ask = { echo: true, logprobs: 1, temperature: 2, seed: 8, n: 2, stop: ['e', 't'] }
  const whole = await complete(ask)
  const stream = (await complete({ ...ask, stream: true })) as unknown as AsyncIterable<VllmCompletion>
  const got = [0, 1].map(() => ({ text: '', tokens: [] as string[], offsets: [] as number[], ids: [] as number[] }))
  for await (const { choices } of stream) {
    for (const { index, text, logprobs } of choices) {
      assert.equal(logprobs!.tokens!.join(''), text)
      got[index]!.text += text
      got[index]!.tokens.push(...logprobs!.tokens!)
      got[index]!.offsets.push(...logprobs!.text_offset!)
    }
  }
  whole.choices.forEach(({ text, logprobs }, i) => {
    assert.equal(got[i]!.text, text)
    assert.deepEqual(got[i]!.tokens, logprobs!.tokens)
    assert.deepEqual(got[i]!.offsets, logprobs!.text_offset)
  })
})

test('half characters are shown as they come', async () => {
  const half = new TokenBytes({ tokenizer })
  const id = Array.from({ length: 1024 }, (_, id) => id).find((id) => String(half.of(id)) === String(0xe6))!
  const ask = { logit_bias: { [id]: 100 }, max_tokens: 200, ignore_eos: true, stream: true }
  let [events, text] = [0, '']
  for await (const { choices } of (await complete(ask)) as unknown as AsyncIterable<VllmCompletion>) {
    events++
    text += choices[0]!.text
  }
  assert.equal(text, '\ufffd'.repeat(200))
  assert.ok(events > 150, `${events}`)
})

test('chosen labels are told, however unlikely; tokens are named by ids on request', async () => {
  const { choices } = await complete({
    logprobs: 0,
    logprob_token_ids: [5, 900],
    max_tokens: 1,
    return_tokens_as_token_ids: true,
  })
  const { tokens, top_logprobs } = choices[0]!.logprobs!
  assert.deepEqual(tokens, [`token_id:${greedyIds[0]}`])
  assert.deepEqual(new Set(Object.keys(top_logprobs![0]!)), new Set([...tokens!, 'token_id:5', 'token_id:900']))
  const answer = await chat({ logprobs: true, logprob_token_ids: [5, 900], max_tokens: 1, temperature: 0 })
  const { top_logprobs: top } = answer.choices[0]!.logprobs!.content![0]!
  assert.equal(top.length, 2)
  assert.ok(top.every(({ bytes }) => bytes !== null))
})

test('half characters are never the same name twice among alternatives', async () => {
  const { choices } = await complete({ logprobs: 20, temperature: 2, seed: 1, max_tokens: 40 })
  const { top_logprobs, tokens } = choices[0]!.logprobs!
  top_logprobs!.forEach((top, i) => {
    assert.ok(Object.keys(top).length >= 20, 'none fell together')
    assert.ok(tokens![i]! in top)
  })
})

test('the prompt can be cut at either side', async () => {
  assert.deepEqual((await choice({ truncate_prompt_tokens: 4 })).prompt_token_ids, ids.slice(-4))
  const right = await choice({ truncate_prompt_tokens: 4, truncation_side: 'right' })
  assert.deepEqual(right.prompt_token_ids, ids.slice(0, 4))
  const long = await choice({ prompt: '7 '.repeat(400), truncate_prompt_tokens: -1 })
  assert.equal(long.prompt_token_ids!.length, 256 - 12)
})

test('chat: where the prompt ends, and what the template is told', async () => {
  const promptOf = async (extra: object) => codec.decode((await chat({ ...extra })).prompt_token_ids)
  const withSpecial = (text: string) => codec.decode(codec.encode(text))
  const turns = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'It is ' },
  ]
  assert.equal(await promptOf({}), withSpecial('<user>hi<eos><assistant>'))
  assert.equal(await promptOf({ add_generation_prompt: false }), withSpecial('<user>hi<eos>'))
  const open = withSpecial('<user>hi<eos><assistant>It is ')
  assert.equal(await promptOf({ messages: turns, continue_final_message: true }), open)
  assert.equal(await promptOf({ messages: turns, continue_final_message: true, add_generation_prompt: false }), open)
  assert.equal(await promptOf({ chat_template_kwargs: { tone: 'dry' } }), withSpecial('<user>hi<eos>(dry)<assistant>'))
  assert.equal(await promptOf({ documents: [{ text: 'd' }] }), withSpecial('<user>hi<eos>[d]<assistant>'))
  assert.equal(await promptOf({ reasoning_effort: 'low' }), withSpecial('<user>hi<eos>low thinks<assistant>'))
  assert.equal(await promptOf({ reasoning_effort: 'none' }), withSpecial('<user>hi<eos>none<assistant>'))
  const named = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'h' },
        { type: 'text', text: 'i' },
      ],
      name: 'Ann',
    },
  ]
  assert.equal(await promptOf({ messages: named }), withSpecial('<user Ann>hi<eos><assistant>'))
  const reserved = { messages: [], add_generation_prompt: false, eos_token: 'x' }
  assert.equal(await promptOf({ chat_template_kwargs: reserved }), withSpecial('<user>hi<eos><assistant>'))
})

test('an answer can be sent back as it came, and fields without effect are taken', async () => {
  const { choices } = await chat({})
  const messages = [{ role: 'user', content: 'hi' }, choices[0]!.message, { role: 'user', content: 'and?' }]
  const neutral = {
    user: 'u', metadata: { a: 'b' }, store: false, service_tier: 'auto', parallel_tool_calls: true, tools: [],
    tool_choice: 'none', modalities: ['text'], response_format: { type: 'text' }, stream_options: null,
    use_beam_search: false, length_penalty: 1, spaces_between_special_tokens: true, priority: 0, request_id: 'mine-7',
    prediction: { type: 'content', content: 'x' }, presence_penalty: null, n: null, logit_bias: null,
  } // prettier-ignore
  const { id } = await chat({ messages, ...neutral })
  assert.equal(id, 'chatcmpl-mine-7')
})

test('n answers differ, and are the same again with the same seed, whoever else is served', async () => {
  const ask = { temperature: 1, seed: 12, n: 4, top_p: 0.95, top_k: 500, min_p: 0.0001, frequency_penalty: 0.2 }
  const texts = async () => (await complete(ask)).choices.map(({ text }) => text)
  const alone = await texts()
  assert.equal(new Set(alone).size, 4)
  const [, again] = await Promise.all([complete({ n: 9, temperature: 1 }), texts(), complete({ temperature: 1 })])
  assert.deepEqual(again, alone)
})

test('log-probabilities are the model’s own, or with --logprobs-mode those that are drawn by', async () => {
  const processed = await startModelServer({ ...source, context: 64, logprobsMode: 'processed_logprobs' })
  try {
    const ask = { model: 'm', prompt: 'Tom', max_tokens: 1, temperature: 0.5, logprobs: 20, seed: 3 }
    const of = async ({ url, model }: typeof server, extra: object) => {
      const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' })
      const { choices } = await sdk.completions.create({
        ...ask,
        model,
        ...extra,
      } as CompletionCreateParamsNonStreaming)
      return choices[0]!.logprobs!.top_logprobs![0]!
    }
    const raw = await of(server, {})
    const sharp = await of(processed, {})
    const [a, b] = Object.keys(raw) as [string, string]
    assert.ok(Math.abs(sharp[a]! - sharp[b]! - 2 * (raw[a]! - raw[b]!)) < 1e-3, 'twice as far apart at half the heat')
    assert.deepEqual(await of(server, { top_k: 3, temperature: 1 }), await of(server, { temperature: 1, top_k: 3 }))
    const kept = await of(processed, { top_k: 3, temperature: 1 })
    assert.equal(Object.keys(kept).length, 3)
    const total = Object.values(kept).reduce((sum, logprob) => sum + Math.exp(logprob), 0)
    assert.ok(Math.abs(total - 1) < 1e-6)
    const plain = await of(processed, { temperature: 0 })
    assert.deepEqual(plain, await of(server, { temperature: 0 }))
  } finally {
    await processed.close()
  }
})

test('many prompts make one request; none is refused', async () => {
  const { choices } = await complete({ prompt: Array.from({ length: 300 }, () => [5, 6]), max_tokens: 1 })
  assert.equal(choices.length, 300)
  for (const prompt of [[], '', [[]], [''], ['a', []], [1, 'a'], null, [['a']]]) {
    const answer = await post('/v1/completions', { model: server.model, prompt })
    assert.deepEqual([answer.status, answer.body.error?.code], [400, 'invalid_request'], JSON.stringify(prompt))
    assert.match(answer.body.error!.param!, /^prompt/)
  }
})

async function post(path: string, body: object) {
  const response = await fetch(server.url + path, { method: 'POST', body: JSON.stringify(body) })
  const json = (await response.json()) as { error?: { code: string; param: string } }
  return { status: response.status, body: json }
}

test('takes bodies in pieces, and slashes at the end', async () => {
  const body = JSON.stringify({ model: server.model, prompt: PROMPT, max_tokens: 2, temperature: 0 })
  const request = httpRequest(`${server.url}/v1/completions/`, { method: 'POST' })
  for (const character of [...body]) request.write(character)
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 200, await readText(response))
  const big = httpRequest(`${server.url}/v1/completions`, { method: 'POST' })
  big.on('error', () => {})
  for (let i = 0; i < 11; i++) big.write(' '.repeat(2 ** 20))
  big.end()
  const [refused] = (await once(big, 'response')) as [IncomingMessage]
  assert.equal(refused.statusCode, 413)
  refused.destroy()
})

test('answers 405 with what is allowed to other methods, 404 to other paths', async () => {
  const cases = {
    '/v1/completions': 'POST',
    '/v1/chat/completions': 'POST',
    '/v1/models': 'GET, HEAD',
    '/health': 'GET, HEAD',
  }
  for (const [path, allow] of Object.entries(cases)) {
    for (const method of ['OPTIONS', 'PUT', 'DELETE', 'PATCH', allow === 'POST' ? 'GET' : 'POST']) {
      const response = await fetch(server.url + path, { method, ...(method !== 'GET' && { body: '{}' }) })
      assert.deepEqual([response.status, response.headers.get('allow')], [405, allow], `${method} ${path}`)
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'method_not_allowed')
    }
  }
  for (const method of ['OPTIONS', 'PUT', 'DELETE', 'PATCH', 'POST'])
    assert.equal((await fetch(`${server.url}/v1/other`, { method })).status, 404)
})

test('answers are held to a schema, token by token', async () => {
  const schema = {
    type: 'object',
    properties: {
      verdict: { enum: ['yes', 'no', '🍎'] },
      score: { type: 'integer', minimum: 1, maximum: 5 },
      why: { type: 'string', maxLength: 12 },
      parts: { type: 'array', items: { type: 'boolean' }, maxItems: 2 },
    },
    required: ['verdict', 'score', 'why'],
    additionalProperties: false,
  }
  const valid = compileSchema(schema)
  const response_format = { type: 'json_schema', json_schema: { name: 'verdict', schema, strict: true } }
  const { choices } = await chat({ response_format, temperature: 1.5, seed: 2, n: 8, max_tokens: 200, logprobs: true })
  const ended = choices.filter(({ finish_reason }) => finish_reason === 'stop')
  assert.ok(ended.length > 0)
  for (const { message, logprobs } of ended) {
    assert.equal(valid.failure(JSON.parse(message.content!)), null, message.content!)
    assert.equal(logprobs!.content!.map(({ token }) => token).join(''), message.content)
  }
  assert.ok(new Set(ended.map(({ message }) => message.content)).size > 1 || ended.length === 1)
  const again = await chat({ response_format, temperature: 1.5, seed: 2, n: 8, max_tokens: 200 })
  assert.deepEqual(
    again.choices.map(({ message }) => message.content),
    choices.map(({ message }) => message.content),
  )
})

test('a choice, any object, and vLLM’s form of a schema', async () => {
  const options = ['positive', 'negative', 'no idea 🍎']
  const chosen = await chat({ structured_outputs: { choice: options }, temperature: 2, n: 6, seed: 1, max_tokens: 40 })
  for (const { message, finish_reason } of chosen.choices) {
    assert.equal(finish_reason, 'stop')
    assert.ok(options.includes(message.content!))
  }
  const anything = await complete({
    response_format: { type: 'json_object' },
    temperature: 1,
    seed: 1,
    n: 4,
    max_tokens: 200,
  })
  for (const { text, finish_reason } of anything.choices) if (finish_reason === 'stop') JSON.parse(text)
  for (const json of [{ const: 'x' }, '{"const":"x"}'])
    assert.equal((await choice({ structured_outputs: { json } })).text.trim(), '"x"')
})

test('what a form cannot go with is refused', async () => {
  const cases: [object, string, RegExp][] = [
    [
      { response_format: { type: 'json_schema', json_schema: { schema: { pattern: 'a' } } } },
      'response_format',
      /has pattern/,
    ],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', /is missing|must be/],
    [{ response_format: { type: 'structural_tag' } }, 'response_format.type', /must be "text", "json_object" or/],
    [{ structured_outputs: { regex: 'a' } }, 'structured_outputs.regex', /known are json, json_object and choice/],
    [{ structured_outputs: { json: true, choice: ['a'] } }, 'structured_outputs', /one of json/],
    [{ structured_outputs: { json: '{' } }, 'structured_outputs.json', /not JSON/],
    [
      { structured_outputs: { choice: ['a'] }, response_format: { type: 'json_object' } },
      'structured_outputs',
      /give one/,
    ],
    [{ response_format: { type: 'json_object' }, ignore_eos: true }, 'ignore_eos', /must have a form/],
    [{ response_format: { type: 'json_object' }, min_tokens: 2 }, 'min_tokens', /must have a form/],
  ]
  for (const [extra, param, message] of cases) {
    const body = { model: server.model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 4, ...extra }
    const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) })
    const { error } = (await response.json()) as { error: { param: string; message: string } }
    assert.deepEqual([response.status, error.param], [400, param], JSON.stringify(extra))
    assert.match(error.message, message)
  }
})
