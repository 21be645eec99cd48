/** What budgets and rates refuse, and what clients make of it: OpenAI's own, and many of one sample at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { judgeClients } from '../../src/adapters/judge-clients.ts'
import { startProviderServer } from '../adapters/judges/provider-server.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'
import { createApp } from '../../src/routes/app.ts'
import { countingJudge } from '../contracts/api.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }

/** An API with a judge, and a key with these limits. */
async function limited(limits: object): Promise<{ app: TestApp; key: string }> {
  const app = await testApp({ judgeClient: countingJudge().judgeClient, judgeWindowMs: 5 })
  await app.json('/v1/judges', { json: { name: 'j', provider } })
  const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'], ...limits } })
  return { app, key: key as string }
}

/** OpenAI's client as it comes, which repeats what it may. Each request takes `ms` of the server's time. */
function official({ app, key }: { app: TestApp; key: string }, ms = 0) {
  const statuses: number[] = []
  const fetchApp = async (url: string | URL | Request, init?: RequestInit) => {
    app.clock.time += ms
    const headers = Object.fromEntries(new Headers(init?.headers))
    const { pathname } = new URL(String(url))
    const response = await app.request(pathname, { method: 'POST', headers, body: init?.body as BodyInit, key })
    statuses.push(response.status)
    return response
  }
  const client = new OpenAI({ apiKey: key, baseURL: 'http://gavel.test/v1', fetch: fetchApp })
  const ask = (...answers: string[]) =>
    client.post('/judgments', { body: { judge: 'j', items: answers.map((answer) => ({ question: 'q', answer })) } })
  return { ask, statuses }
}

test('a batch beyond the whole budget is refused for good, with what to do; the client asks once', async () => {
  const service = await limited({ budget: { items: 2, per: 'day' } })
  const { ask, statuses } = official(service)
  await assert.rejects(ask('1', '2', '3'), (error: InstanceType<typeof OpenAI.APIError>) => {
    assert.deepEqual([error.status, error.code, error.headers!.get('retry-after')], [413, 'too_large', null])
    assert.match(
      error.message,
      /brings 3 items .*2 items a day: it can never pass\. Split it into requests of at most 2/,
    )
    return true
  })
  assert.deepEqual(statuses, [413])
  await ask('1', '2')
  service.app.close()
})

test('an ensemble asks each of its judges: more than the budget of a key allows for is refused before any is asked', async () => {
  const { app, key } = await limited({ budget: { items: 5, per: 'day' } })
  await app.json('/v1/judges', { json: { name: 'k', provider } })
  await app.json('/v1/judges', { json: { name: 'both', provider: { type: 'ensemble', judges: ['j', 'k'] } } })
  const ask = (count: number, status: number) => {
    const items = Array.from({ length: count }, (_, i) => ({ question: 'q', answer: String(i) }))
    return app.json('/v1/judgments', { key, json: { judge: 'both', items } }, status)
  }
  assert.match((await ask(3, 413)).error.message, /brings 6 items/)
  await ask(2, 200)
  await ask(2, 429)
  app.clock.time += 86_400_000
  for (let i = 0; i < 3; i++) await ask(2, 200)
  app.close()
})

test('judge and reranker share a budget: what both together can never have is a 413 that says how to split it', async () => {
  const { app, key } = await limited({ budget: { items: 5, per: 'day' } })
  await app.json('/v1/judges', { json: { name: 'k', provider } })
  await app.json('/v1/judges', { json: { name: 'pair', provider: { type: 'ensemble', judges: ['j', 'k'] } } })
  const ask = (count: number, status: number, judge = 'j', path = '/v1/rewards') => {
    const reward = { lambda: 0, mu: 1, rho: 1, judge, reranker: 'k' }
    const items = Array.from({ length: count }, (_, i) => ({ prompt: 'q', completion: `It is ${i}.` }))
    return app.json(path, { key, json: { reward, items } }, status)
  }
  const refused = (await ask(3, 413)).error
  assert.match(refused.message, /brings 6 items before judges, its 3 before up to 2 each, .* 5 items a day.*at most 2,/)
  assert.match((await ask(2, 413, 'pair')).error.message, /brings 6 items .* at most 1,/)
  const recipe = { name: 'both', lambda: 0, mu: 1, rho: 1, judge: 'j', reranker: 'k' }
  await app.json('/v1/recipes', { json: recipe })
  const dialect = { prompts: ['q', 'q', 'q'], completions: ['It is 0.', 'It is 1.', 'It is 2.'] }
  await app.json('/compat/trl/both', { key, json: dialect }, 413)
  // Nothing was used or is held by what was refused.
  assert.equal((await ask(2, 200)).data[0].outcome, 'scored')
  app.close()
})

test('a rate counts what is scored: a pair, a chat and a question are one item each in every dialect', async () => {
  const { app, key } = await limited({ rate: { items: 4, seconds: 60 } })
  const left = async (path: string, json: unknown) => {
    app.clock.time += 60_000
    const response = await app.request(path, { method: 'POST', key, json })
    return 4 - Number(/r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1])
  }
  const chat = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'q' },
    { role: 'assistant', content: 'It is 5.' },
  ]
  const row = { id: 'r', messages: chat }
  const yesNo = { instructions: 'q', type: 'noul' }
  const grader = { type: 'string_check', name: 'g', input: 'a', reference: 'a', operation: 'eq' }
  const cases: [number, string, unknown][] = [
    [1, '/compat/tei/j/predict', { inputs: ['q', 'a'] }],
    [2, '/compat/tei/j/predict', { inputs: [['q', 'a'], ['q', 'b']] }],
    [3, '/compat/tei/j/rerank', { query: 'q', texts: ['a', 'b', 'c'] }],
    [1, '/compat/slime/j', { prompt: chat.slice(0, 2), response: 'a' }],
    [1, '/compat/vllm/j/classify', { messages: chat }],
    [1, '/compat/vllm/j/classify', { input: 'a chat of one text' }],
    [2, '/compat/vllm/j/classify', { input: ['a chat', 'another'] }],
    [2, '/compat/sglang/j/v1/classify', { input: ['a chat', 'another'] }],
    [1, '/compat/vllm/j/generative_scoring', { query: 'q', items: 'a', label_token_ids: [1, 2] }],
    [3, '/compat/vllm/j/generative_scoring', { query: 'q', items: ['a', 'b', 'c'], label_token_ids: [1, 2] }],
    [3, '/compat/sglang/j/v1/score', { query: 'q', items: ['a', 'b', 'c'], label_token_ids: [1, 2] }],
    [1, '/compat/nemo-gym/j/aggregate_metrics', { verify_responses: [{ reward: 1 }, { reward: 0 }] }],
    [3, '/compat/vllm/j/score', { queries: 'q', documents: ['a', 'b', 'c'] }],
    [1, '/compat/sglang/j/v1/decisions', { input: [1, 2, 3], questions: [{ id: 'a', type: 'yes_no', question: 'q' }] }],
    [1, '/v1/decisions', { model: 'j', input: chat, questions: [{ type: 'predicate', instructions: 'q' }] }],
    [3, '/v1/systemone', { model: 'j', state: ['a', 'b'], questions: { a: yesNo, b: yesNo, c: yesNo } }],
    [2, '/compat/aws-lambda/j', { body: JSON.stringify([row, row]) }],
    [1, '/compat/aws-lambda/j', { input: row }],
    [2, '/v1/fine_tuning/alpha/graders/run', { grader: { type: 'multi', name: 'm', graders: [{ ...grader, name: 'a' }, { ...grader, name: 'b' }], calculate_output: 'a + b' }, model_sample: 'a' }],
    [1, '/compat/nemo-gym/j/verify', { responses_create_params: { input: chat.slice(0, 2) }, response: { output: [{ type: 'message', role: 'assistant', content: 'It is 5.' }] } }],
    [2, '/v1/judgments', { judge: 'j', items: [{ question: 'q', answer: 'a' }, { question: 'q', answer: 'b' }] }],
  ] // prettier-ignore
  for (const [count, path, body] of cases) assert.equal(await left(path, body), count, path)
  app.close()
})

test('a budget that is used up is not waited for; a rate is, as long as it says', async () => {
  const spent = await limited({ budget: { items: 2, per: 'month' } })
  const once = official(spent)
  await once.ask('1', '2')
  await assert.rejects(once.ask('3'), { status: 429, code: 'budget_spent' })
  assert.deepEqual(once.statuses, [200, 429])
  spent.app.close()

  const busy = await limited({ rate: { items: 1, seconds: 2 } })
  const patient = official(busy, 1000)
  for (const answer of ['1', '2', '3']) await patient.ask(answer)
  assert.deepEqual(
    patient.statuses.filter((status) => status === 200),
    [200, 200, 200],
  )
  assert.ok(patient.statuses.includes(429))
  busy.app.close()
})

test('of many clients of one sample each, a budget serves as many as it has items', async () => {
  const { app, key } = await limited({ budget: { items: 10, per: 'day' } })
  const answers = Array.from({ length: 24 }, (_, i) => `It is ${i}.`)
  const statuses = await Promise.all(
    answers.map(async (response) => {
      const json = { prompt: 'How many?', response, label: null }
      return (await app.request('/compat/slime/j', { key, json })).status
    }),
  )
  assert.equal(statuses.filter((status) => status === 200).length, 10, statuses.join(' '))
  assert.equal(statuses.filter((status) => status === 429).length, 14)
  app.close()
})

test('who hangs up in the middle of a batch has paid for what was answered, and finds it in the cache', async (t) => {
  const server = await startProviderServer()
  t.after(() => server.close())
  for (const budget of [undefined, { tokens: 1_000_000 }]) {
    const app = await testApp({ allowPrivateUrls: true, judgeClient: judgeClients({ fetch }) })
    const provider = { type: 'openai', base_url: `${server.url}/v1`, model: 'm' }
    const template = { user: '{answer} {question}' }
    const judge = { name: 'j', provider, template, concurrency: 1, ...(budget && { budget }) }
    const { id } = await app.json('/v1/judges', { json: judge })
    const hangUp = new AbortController()
    const answers = ['p=0.9 a', 'p=0.1 b', `never-answers ${budget ? 1 : 0}`, 'p=0.2 c']
    const request = new Request('http://gavel.test/v1/judgments', {
      method: 'POST',
      headers: { authorization: 'Bearer admin-key', 'content-type': 'application/json' },
      body: JSON.stringify({ judge: 'j', items: answers.map((answer) => ({ question: 'q', answer })) }),
      signal: hangUp.signal,
    })
    const answer = createApp(app.deps).fetch(request)
    while (!server.received.some(({ text }) => text.startsWith(answers[2]!))) await new Promise(setImmediate)
    hangUp.abort()
    await answer
    assert.equal((await app.json(`/v1/judges/${id}/cache`)).entries, 2)
    const [used] = (await app.json('/v1/usage')).data
    assert.deepEqual([used.judge, used.items, used.failed, used.prompt_tokens], [id, 2, 0, 22])
    if (budget) assert.equal((await app.json(`/v1/judges/${id}`)).spent.tokens, 24)
    app.close()
  }
})
