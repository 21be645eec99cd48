import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import OpenAI, { APIError } from 'openai'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import { Generator } from '../../../src/gpu-worker/rollout/generator.ts'
import { startModelServer } from '../../../src/gpu-worker/serve/start-model-server.ts'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const CHAT_TEMPLATE =
  "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system, please') }}{% endif %}" +
  '{{ m.content }}\n{% endfor %}'
const path = tinyModelFolder()
const { tokenizer } = openPath(path)
const folder = tinyModelFolder({
  tokenizer: { ...tokenizer, config: { ...tokenizer.config, chat_template: CHAT_TEMPLATE } },
})
const { model, weights, codec } = openPath(folder)

const server = await startModelServer({
  model: { type: 'path', path: folder },
  hub: { cacheFolder: '/nonexistent' },
  port: 0,
  threads: 1,
  context: 256,
  apiKey: 'secret',
})
after(() => server.close())
const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 })

const PROMPT = 'Tom has 3 apples. He buys 4 more. How many apples does Tom have?\n'
const ask = { model: server.model, messages: [{ role: 'user' as const, content: PROMPT.trimEnd() }] }

/** What the training worker's sampler writes, greedily. */
async function greedy(prompt: string, maxNewTokens: number) {
  const generator = await Generator.create(model, weights, { slots: 1, capacity: 256, threads: 1 })
  const options = { temperature: 0, maxNewTokens, stopIds: codec.stopIds, seed: 0 }
  const [completion] = await generator.generate([{ prompt: codec.encode(prompt), samples: 1 }], options)
  return completion!
}

async function refusal(call: PromiseLike<unknown>): Promise<InstanceType<typeof APIError>> {
  try {
    await call
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  throw new assert.AssertionError({ message: 'the call was not refused' })
}

test('lists its model', async () => {
  const models = await client.models.list()
  assert.deepEqual(
    models.data.map(({ id, object }) => ({ id, object })),
    [{ id: server.model, object: 'model' }],
  )
  assert.equal((await client.models.retrieve(server.model)).id, server.model)
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
})

test('completes and chats as the model does, with the usage', async () => {
  const expected = await greedy(PROMPT, 12)
  const completion = await client.completions.create({
    model: server.model,
    prompt: PROMPT,
    temperature: 0,
    max_tokens: 12,
  })
  assert.equal(completion.choices[0]!.text, codec.decode(expected.ids))
  assert.deepEqual(completion.usage, {
    prompt_tokens: codec.encode(PROMPT).length,
    completion_tokens: expected.ids.length,
    total_tokens: codec.encode(PROMPT).length + expected.ids.length,
  })
  const chat = await client.chat.completions.create({ ...ask, temperature: 0, max_completion_tokens: 12 })
  assert.equal(chat.choices[0]!.message.content, codec.decode(expected.ids))
  assert.equal(chat.choices[0]!.finish_reason, 'length')
  assert.equal(chat.object, 'chat.completion')
})

test('tells log-probabilities that are the model’s own', async () => {
  const expected = await greedy(PROMPT, 6)
  const chat = await client.chat.completions.create({
    ...ask,
    temperature: 0,
    max_tokens: 6,
    logprobs: true,
    top_logprobs: 20,
  })
  const content = chat.choices[0]!.logprobs!.content!
  assert.equal(content.length, 6)
  content.forEach(({ token, logprob, top_logprobs }, i) => {
    assert.equal(token, codec.tokenText(expected.ids[i]!))
    assert.ok(Math.abs(logprob - expected.logprobs[i]!) < 1e-4)
    assert.equal(top_logprobs.length, 20)
    assert.deepEqual(top_logprobs[0]!.token, token)
    assert.ok(top_logprobs.every((other, k) => k === 0 || other.logprob <= top_logprobs[k - 1]!.logprob))
  })
  const completion = await client.completions.create({
    model: server.model,
    prompt: PROMPT,
    temperature: 0,
    max_tokens: 6,
    logprobs: 3,
  })
  const { tokens, token_logprobs, top_logprobs, text_offset } = completion.choices[0]!.logprobs!
  assert.deepEqual(
    tokens,
    expected.ids.map((id) => codec.tokenText(id)),
  )
  token_logprobs!.forEach((logprob, i) => assert.ok(Math.abs(logprob - expected.logprobs[i]!) < 1e-4))
  assert.equal(Object.keys(top_logprobs![0]!).length, 3)
  assert.deepEqual(text_offset!.slice(0, 2), [0, tokens[0]!.length])
})

test('streams what it would have answered at once', async () => {
  const request = { ...ask, seed: 3, n: 3, max_tokens: 20, logprobs: true }
  const whole = await client.chat.completions.create(request)
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  })
  const texts = ['', '', '']
  const finishes = new Map<number, string>()
  let tokens = 0
  let usage
  for await (const chunk of stream) {
    usage ??= chunk.usage
    for (const { index, delta, finish_reason, logprobs } of chunk.choices) {
      texts[index] += delta.content ?? ''
      tokens += logprobs?.content?.length ?? 0
      if (finish_reason) finishes.set(index, finish_reason)
    }
  }
  assert.deepEqual(
    texts,
    whole.choices.map(({ message }) => message.content),
  )
  assert.deepEqual(usage, whole.usage)
  assert.equal(tokens, whole.usage!.completion_tokens)
  assert.deepEqual(
    [...finishes].sort(),
    whole.choices.map(({ finish_reason }, i) => [i, finish_reason]),
  )
  assert.equal(new Set(texts).size, 3, 'choices are drawn for themselves')

  let text = ''
  const older = { model: server.model, prompt: PROMPT, seed: 3, max_tokens: 20 }
  for await (const { choices } of await client.completions.create({ ...older, stream: true }))
    text += choices[0]?.text ?? ''
  assert.equal(text, texts[0])
})

test('a seed gives the same text alone and among many others; no seed gives another', async () => {
  const once = (seed?: number, max_tokens = 24) =>
    client.chat.completions
      .create({ ...ask, max_tokens, top_p: 0.9, ...(seed === undefined ? {} : { seed }) })
      .then(({ choices }) => choices[0]!.message.content)
  const alone = await once(11)
  const crowd = await Promise.all([...Array.from({ length: 20 }, (_, i) => once(undefined, 5 + i)), once(11)])
  assert.equal(crowd.at(-1), alone)
  assert.notEqual(await once(), await once())
})

test('several prompts, texts or ids, give their choices in order', async () => {
  const prompts = [PROMPT, 'Sam has 2 pears.\n']
  const request = { model: server.model, temperature: 0, max_tokens: 5 }
  const texts = await Promise.all(prompts.map(async (prompt) => codec.decode((await greedy(prompt, 5)).ids)))
  const byText = await client.completions.create({ ...request, prompt: prompts, n: 2 })
  assert.deepEqual(
    byText.choices.map(({ text }) => text),
    [texts[0], texts[0], texts[1], texts[1]],
  )
  const byIds = await client.completions.create({ ...request, prompt: prompts.map((text) => codec.encode(text)) })
  assert.deepEqual(
    byIds.choices.map(({ text }) => text),
    texts,
  )
})

test('stops at a stop text', async () => {
  const request = { model: server.model, prompt: PROMPT, temperature: 0, max_tokens: 12 }
  const { text } = (await client.completions.create(request)).choices[0]!
  const stop = text.slice(4, 7)
  const [choice] = (await client.completions.create({ ...request, stop: [stop, 'never'] })).choices
  assert.equal(choice!.text, text.slice(0, text.indexOf(stop)))
  assert.equal(choice!.finish_reason, 'stop')
})

test('refuses what it cannot do, naming the field', async () => {
  const cases: [object, number, string, RegExp][] = [
    [{ model: 'gpt-4' }, 404, 'model', /no model "gpt-4" here; this server has/],
    [{ temperature: 3 }, 400, 'temperature', /must be <=2, but was 3/],
    [{ top_p: 0 }, 400, 'top_p', /must be >0/],
    [{ n: 99 }, 400, 'n', /at most 16/],
    [{ max_tokens: 0 }, 400, 'max_tokens', /must be >=1/],
    [{ max_tokens: 4000 }, 400, 'messages', /4000 new ones are wanted, but the context is 256 tokens/],
    [{ messages: [{ role: 'user', content: '7 '.repeat(400) }] }, 400, 'messages', /801 tokens .* context is 256/],
    [{ messages: [] }, 400, 'messages', /length of >=1/],
    [{ messages: [null] }, 400, 'messages[0]', /must be a JSON object/],
    [{ messages: [{ role: 'user', content: [1] }] }, 400, 'messages[0].content[0]', /must be a JSON object/],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 400, 'messages[0].role', /must be/],
    [{ messages: [{ role: 'system', content: 'x' }] }, 400, '', /no system, please/],
    [{ top_logprobs: 5 }, 400, 'logprobs', /must be true where .top_logprobs. is given/],
    [{ logprobs: true, top_logprobs: 21 }, 400, 'top_logprobs', /must be <=20/],
    [{ tools: [{ type: 'function' }] }, 400, 'tools', /not supported here/],
    [{ tools: [{}] }, 400, 'tools', /not supported here; leave it out or send an empty one/],
    [{ guided_jason: {} }, 400, 'guided_jason', /not a field that is known here/],
    [{ top_k: -2 }, 400, 'top_k', /must be >=-1/],
    [{ repetition_penalty: 0 }, 400, 'repetition_penalty', /must be >0/],
    [{ logit_bias: { x: 1 } }, 400, 'logit_bias', /token ids as its names/],
    [{ logit_bias: { 9999: 1 } }, 400, 'logit_bias', /token id 9999; the model knows 0 to 1023/],
    [{ stop_token_ids: [1024] }, 400, 'stop_token_ids', /token id 1024/],
    [{ min_tokens: 5, max_tokens: 4 }, 400, 'min_tokens', /5, but `max_tokens` is 4/],
    [{ allowed_token_ids: [1], min_tokens: 1 }, 400, '', /no token is left/],
    [{ echo: true }, 400, 'echo', /not supported here; leave it out or send false/],
    [{ stop: '\ud800' }, 400, 'stop', /half a surrogate pair/],
    [{ continue_final_message: true, add_generation_prompt: true }, 400, 'add_generation_prompt', /cannot be true/],
    [{ messages: [{ ...ask.messages[0], tool_calls: [{}] }] }, 400, 'messages[0].tool_calls', /not supported/],
    [{ messages: [{ ...ask.messages[0], colour: 1 }] }, 400, 'messages[0].colour', /not a field of a message/],
    [{ response_format: { type: 'xml' } }, 400, 'response_format.type', /must be "text", "json_object" or/],
  ]
  for (const [change, status, param, message] of cases) {
    for (const stream of [false, true]) {
      const error = await refusal(client.chat.completions.create({ ...ask, ...change, stream } as never))
      assert.deepEqual([error.status, error.param ?? ''], [status, param], JSON.stringify(change))
      assert.match(error.message, message)
    }
  }
  const prompt = await refusal(client.completions.create({ model: server.model, prompt: [[5000]] }))
  assert.deepEqual([prompt.status, prompt.param], [400, 'prompt'])
  const empty = await refusal(client.completions.create({ model: server.model, prompt: '' }))
  assert.deepEqual([empty.status, empty.param], [400, 'prompt'])
})

test('refuses a wrong key, a body that is not JSON, and other routes', async () => {
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'guess', maxRetries: 0 })
  assert.equal((await refusal(stranger.models.list())).status, 401)
  const headers = { authorization: 'Bearer secret' }
  const broken = await fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body: '{"model":' })
  assert.equal(broken.status, 400)
  assert.equal(((await broken.json()) as { error: { code: string } }).error.code, 'malformed_json')
  assert.equal((await fetch(`${server.url}/v1/embeddings`, { headers })).status, 404)
  const large = await fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body: ' '.repeat(11 * 2 ** 20) })
  assert.equal(large.status, 413)
})

test('a client that hangs up ends its generation', async () => {
  const stream = await client.chat.completions.create({ ...ask, stream: true, max_tokens: 150, n: 16 })
  for await (const _ of stream) break
  stream.controller.abort()
  // All slots were taken; a short request is answered once they are free again.
  const { usage } = await client.chat.completions.create({ ...ask, max_tokens: 1 })
  assert.equal(usage!.completion_tokens, 1)
})

test('when the model’s process dies, its requests fail with 503 and a new process answers the next', async () => {
  const child = Number(
    execFileSync('pgrep', ['-P', String(process.pid), '-f', 'model-process'])
      .toString()
      .trim(),
  )
  const dying = refusal(client.chat.completions.create({ ...ask, max_tokens: 200, n: 16 }))
  // In the middle of it: once it has worked for a while.
  const busy = () => Number(readFileSync(`/proc/${child}/stat`, 'utf8').split(' ')[13])
  for (const idle = busy(); busy() < idle + 3;) await new Promise((resolve) => setTimeout(resolve, 2))
  process.kill(child, 'SIGKILL')
  const error = await dying
  assert.equal(error.status, 503)
  assert.match(error.message, /killed by SIGKILL .* started again/)
  const chat = await client.chat.completions.create({ ...ask, max_tokens: 2 })
  assert.equal(chat.choices.length, 1)
})

test('a model that cannot be opened ends the start with the reason', async () => {
  const start = startModelServer({
    model: { type: 'path', path: '/nowhere' },
    hub: { cacheFolder: '/nonexistent' },
    port: 0,
  })
  await assert.rejects(start, { code: 'not_found', message: /no model at \/nowhere/ })
})
