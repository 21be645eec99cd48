/** Whatever a judge's server does, over real HTTP: an outcome and a reason, never a number. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { judgeClients } from '../../src/adapters/judge-clients.ts'
import { startProviderServer, type ProviderServer } from '../adapters/judges/provider-server.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

let api: TestApp
let server: ProviderServer
before(async () => {
  server = await startProviderServer()
  api = await testApp({ allowPrivateUrls: true, judgeClient: judgeClients({ fetch }) })
})
after(async () => {
  api.close()
  await server.close()
})

const EVERYWHERE = [
  'fails-always', 'busy-for-an-hour', 'do-not-retry', 'unauthorized', 'not-json', 'cut-off', 'other-shape', 'no-choices',
  'never-answers', 'huge', 'redirects', 'empty', 'trickles', 'bursts-open', 'goes-round',
] // prettier-ignore
const LOGPROBS = [
  'word-for-number', 'no-logprobs', 'sampled-only', 'positive-logprob', 'no-label-at-all', 'nan-logprob', 'null-logprob',
  'infinite-logprob',
] // prettier-ignore
const DECISIONS = ['refuses', 'forgets-a-label', 'more-than-all', 'negative-probability']
const PROVIDERS: Record<string, { provider: object; behaviours: string[] }> = {
  chat: { provider: { type: 'openai' }, behaviours: [...EVERYWHERE, ...LOGPROBS] },
  completions: { provider: { type: 'openai', api: 'completions' }, behaviours: [...EVERYWHERE, 'no-label-at-all'] },
  decisions: { provider: { type: 'decisions' }, behaviours: [...EVERYWHERE, ...DECISIONS] },
  systemone: { provider: { type: 'systemone' }, behaviours: [...EVERYWHERE, ...DECISIONS] },
}

for (const [name, { provider, behaviours }] of Object.entries(PROVIDERS)) {
  test(`${name}: garbage, silence, errors and missing log-probabilities`, { concurrency: true }, async () => {
    const body = {
      name,
      provider: { ...provider, base_url: `${server.url}/v1`, model: 'm' },
      // The behaviour is what the text begins with.
      template: { user: '{answer}{question}' },
      // Long enough for a good answer on a busy machine.
      timeout_ms: 600,
      concurrency: 32,
    }
    await api.json('/v1/judges', { json: body })
    const answers = [...behaviours, 'p=0.25']
    const items = answers.map((answer) => ({ question: ` ${name}`, answer }))
    const { data } = await api.json('/v1/judgments', { json: { judge: name, items } })
    const good = data.pop()
    assert.deepEqual([good.outcome, Math.abs(good.reward - 0.25) < 1e-9], ['scored', true], JSON.stringify(good))
    for (const [i, judgment] of data.entries()) {
      const what = `${answers[i]}: ${JSON.stringify(judgment)}`
      assert.ok(judgment.outcome === 'failed' || judgment.outcome === 'abstained', what)
      assert.deepEqual([judgment.reward, judgment.probability], [null, null], what)
      assert.ok(judgment.reason.length > 20, what)
    }
    const outcomes = Object.fromEntries(answers.map((answer, i) => [answer, data[i]?.outcome]))
    for (const answer of ['refuses', 'no-label-at-all']) {
      if (answer in outcomes) assert.equal(outcomes[answer], 'abstained')
    }

    // The very same, as rewards: a row without a score has none, even where the verifier could give one.
    const reward = { lambda: 1, mu: 1, verifier: 'exact', judge: name, gate: false }
    const rows = behaviours.slice(-4).map((completion) => ({ prompt: ` ${name}`, completion, answer: completion }))
    const rewarded = await api.json('/v1/rewards', { json: { reward, items: rows } })
    for (const row of rewarded.data) assert.deepEqual([row.outcome === 'scored', row.reward], [false, null])
    assert.deepEqual(api.errors, [], 'none of it is a failure of ours')
  })
}
