/** What is paid for is counted and kept, whatever a provider says and whatever the disk does. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { judgeClients } from '../../src/adapters/judge-clients.ts'
import { writeCounts } from '../../src/service/usage/write-counts.ts'
import { countingJudge } from '../contracts/api.ts'
import { testApp } from '../helpers/test-app.ts'

const items = (...answers: string[]) => answers.map((answer) => ({ question: 'q', answer }))
const LOGPROBS = [
  { token: 'Yes', logprob: Math.log(0.75) },
  { token: 'No', logprob: Math.log(0.25) },
]
const CHOICE = { logprobs: { content: [{ ...LOGPROBS[0], top_logprobs: LOGPROBS }] } }
/** What each kind of provider answers, with some usage. */
const ANSWERS: Record<string, (usage: unknown) => object> = {
  openai: (usage) => ({ choices: [CHOICE], usage }),
  decisions: (usage) => ({ answers: [{ type: 'choice', probabilities: [{ value: 'Yes', probability: 0.75 }, { value: 'No', probability: 0.25 }] }], usage }),
  systemone: (usage) => ({ result: { answers: { verdict: { type: 'choice', probabilities: { Yes: 0.75, No: 0.25 } } }, usage } }),
  rerank: (usage) => ({ results: [{ index: 0, relevance_score: 0.75 }], usage }),
} // prettier-ignore

/** A provider of any kind that says `usage` of every call, as it is written. */
async function provider(t: TestContext, usage: string) {
  const server = createServer((request, response) => {
    const path = request.url!
    const kind = path.includes('decisions') ? 'decisions' : path.includes('systemone') ? 'systemone' : path.includes('rerank') ? 'rerank' : 'openai' // prettier-ignore
    const text = JSON.stringify(ANSWERS[kind]!('USAGE')).replace('"USAGE"', usage)
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end(text))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

const USAGES = ['-1000000', '9e307', '1e999', '1.5', '9007199254740993', '"12"', 'true', '[1]']

for (const usage of USAGES)
  test(`a provider that says ${usage} tokens: the judgment stands, its tokens are unknown, and the ledgers of all go on`, async (t) => {
    const app = await testApp({ allowPrivateUrls: true, judgeClient: judgeClients({ fetch }) })
    t.after(() => app.close())
    const other = await app.json('/v1/keys', { json: { tenant: 'acme', scopes: ['judge'] } })
    await app.json('/v1/verify', { key: other.key, json: { verifier: 'math', items: [{ text: '5', gold: '5' }] } })
    const base_url = await provider(t, `{"prompt_tokens":${usage},"completion_tokens":1,"total_tokens":${usage},"input_tokens":${usage},"output_tokens":1}`) // prettier-ignore
    for (const type of Object.keys(ANSWERS)) {
      const price = { input: 1e6, output: 1e6 }
      const json = { name: type, provider: { type, base_url, model: 'm' }, price, budget: { tokens: 10 }, probe: false }
      const judge = await app.json('/v1/judges', { json })
      const { data } = await app.json('/v1/judgments', { json: { judge: type, items: items('5') } })
      assert.deepEqual([data[0].outcome, data[0].tokens, data[0].cost], ['scored', { prompt: null, completion: null }, null], type) // prettier-ignore
      const shown = await app.json(`/v1/judges/${judge.id}`)
      assert.match(shown.warnings.join(), /counts of tokens that are none/)
      assert.deepEqual(shown.spent ?? null, null)
      const { data: lines } = await app.json('/v1/usage')
      const line = lines.find((one: { judge: string }) => one.judge === judge.id)
      assert.deepEqual([line.items, line.prompt_tokens, line.completion_tokens, line.uncounted, line.cost], [1, 0, 0, 1, 0]) // prettier-ignore
    }
    assert.equal((await app.json('/v1/usage', { key: other.key })).data[0].items, 1)
    assert.deepEqual(app.errors, [])
  })

/** An API whose database can be made to have no room left. */
async function cramped(t: TestContext) {
  const counting = countingJudge()
  const app = await testApp({ judgeClient: counting.judgeClient })
  t.after(() => app.close())
  const fill = async () => {
    const { results } = await app.sqlite.prepare('PRAGMA page_count').all()
    app.sqlite.exec(`CREATE TABLE filler (body); PRAGMA max_page_count = ${Number(results[0]!.page_count) + 4}`)
    for (const size of [2000, 200, 20, 1])
      assert.throws(() => {
        for (;;) app.sqlite.exec(`INSERT INTO filler VALUES (zeroblob(${size}))`)
      })
  }
  const empty = () => app.sqlite.exec('PRAGMA max_page_count = 1000000; DROP TABLE filler')
  return { app, counting, fill, empty }
}

test('on a full disk what was paid for is answered, asked once, and counted when there is room', async (t) => {
  const { app, counting, fill, empty } = await cramped(t)
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  const price = { input: 1000, output: 1000 }
  const j = await app.json('/v1/judges', { json: { name: 'j', provider, price } })
  const capped = await app.json('/v1/judges', { json: { name: 'capped', provider, price, budget: { tokens: 45 }, concurrency: 1 } }) // prettier-ignore
  const limited = await app.json('/v1/keys', { json: { scopes: ['judge'], budget: { items: 100, per: 'day' } } })
  const ask = async (judge: string, ...answers: string[]) =>
    (await app.json('/v1/judgments', { json: { judge, items: items(...answers) } })).data
  const outcomes = (data: { outcome: string }[]) => data.map(({ outcome }) => outcome)
  // A line of each is there already, so that only what is new needs room.
  await fill()
  const many = Array.from({ length: 100 }, (_, i) => `It is ${i}.`)
  assert.deepEqual(new Set(outcomes(await ask('j', ...many))), new Set(['scored']))
  assert.ok((await ask('j', ...many)).every((one: { cached: boolean }) => one.cached))
  assert.equal(counting.asked, 100)
  // A judge's own budget holds in memory, too.
  assert.deepEqual(outcomes(await ask('capped', ...many.slice(0, 6))), [...Array(5).fill('scored'), 'failed'])
  assert.deepEqual(outcomes(await ask('capped', ...many.slice(0, 6))), [...Array(5).fill('scored'), 'failed'])
  assert.equal(counting.asked, 105)
  // A key's budget is kept in the database alone: nothing is asked.
  const refused = await app.request('/v1/judgments', { key: limited.key, json: { judge: 'j', items: items('new') } })
  assert.ok(refused.status === 507 || refused.status === 200, String(refused.status))

  for (const path of ['/v1/usage', `/v1/judges/${j.id}`, `/v1/judges/${j.id}/cache`, '/v1/judges', '/v1/jobs', '/v1/keys', '/v1/datasets', '/v1/models', '/v1/recipes', '/v1/workers', '/v1/webhooks', '/livez'])
    if ((await app.request(path)).status !== 404) await app.json(path) // prettier-ignore

  empty()
  await writeCounts(app.deps)
  const lines = (await app.json('/v1/usage')).data as { judge: string; key: string | null; prompt_tokens: number; items: number; cached: number; cost: number }[] // prettier-ignore
  const of = (id: string) => lines.find(({ judge, key }) => judge === id && key === null)!
  assert.deepEqual([of(j.id).items, of(j.id).cached, of(j.id).prompt_tokens], [200, 100, 900])
  assert.ok(Math.abs(of(j.id).cost - 1) < 1e-9)
  assert.deepEqual([of(capped.id).items, of(capped.id).prompt_tokens], [12, 45])
  assert.deepEqual((await app.json(`/v1/judges/${capped.id}`)).spent, { tokens: 50, cost: 0.05 })
  assert.equal((await app.json(`/v1/judges/${j.id}/cache`)).entries, refused.status === 200 ? 101 : 100)
  await ask('j', ...many)
  assert.equal(counting.asked, refused.status === 200 ? 106 : 105)
})
