import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { remoteJudgeClient } from '../../../src/adapters/judges/remote-judge-client.ts'
import { GavelError } from '../../../src/core/errors.ts'
import { probabilityOfYes, type Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeClient } from '../../../src/core/ports.ts'
import type { Judge } from '../../../src/core/schemas/judge.ts'
import { judgeClientContract } from '../../contracts/judge-client.ts'
import { startProviderServer, type ProviderServer } from './provider-server.ts'

const KEY = 'hf_verysecret'
const labels = { yes: 'Yes', no: 'No' }

const PROVIDERS: Record<string, (url: string) => Judge['provider']> = {
  'openai chat': (url) => ({ type: 'openai', base_url: `${url}/v1`, model: 'm', api: 'chat', has_api_key: true }),
  'openai completions': (url) => ({
    type: 'openai',
    base_url: `${url}/v1/`,
    model: 'm',
    api: 'completions',
    has_api_key: true,
  }),
  'huggingface endpoint': (url) => ({ type: 'huggingface', model: 'm', endpoint_url: url, has_api_key: true }),
}

const clientOf = (provider: Judge['provider'], options: { timeout_ms?: number; concurrency?: number } = {}) =>
  remoteJudgeClient({ provider, timeout_ms: 5000, concurrency: 8, ...options }, KEY, {
    backoffMs: 2,
    rng: { uniform: () => 0.5 },
  })

async function judge(client: JudgeClient, ...texts: string[]): Promise<Judgment[]> {
  const requests = texts.map((content) => ({ messages: [{ role: 'user' as const, content }], labels: ['Yes', 'No'] }))
  const answers = await client.firstTokenLogprobs(requests)
  return answers.map((answer) => {
    if (!(answer instanceof Error)) return probabilityOfYes(answer.logprobs, labels)
    assert.ok(answer instanceof GavelError && answer.code === 'judge_unreachable', answer.stack)
    assert.doesNotMatch(answer.message, new RegExp(KEY))
    return { outcome: 'failed', reason: answer.message }
  })
}

for (const [name, providerAt] of Object.entries(PROVIDERS)) {
  let server: ProviderServer
  before(async () => void (server = await startProviderServer()))
  after(() => server.close())

  judgeClientContract(name, () => clientOf(providerAt(server.url)))

  describe(`${name}: a provider that misbehaves`, () => {
    const one = async (text: string, options = {}) => (await judge(clientOf(providerAt(server.url), options), text))[0]!
    const failsWith = async (text: string, reason: RegExp, options = {}) => {
      const judgment = await one(text, options)
      assert.equal(judgment.outcome, 'failed')
      assert.match(judgment.outcome === 'failed' ? judgment.reason : '', reason)
    }
    const timesAsked = (text: string) => server.received.filter((entry) => entry.text === text).length

    test('well-behaved: P(Yes) over all variants, in order', async () => {
      const judged = await judge(clientOf(providerAt(server.url)), 'p=0.2', 'p=0.9', 'p=1.0')
      for (const [i, expected] of [0.2, 0.9, 1].entries()) {
        const judgment = judged[i]
        assert.ok(judgment?.outcome === 'scored' && Math.abs(judgment.probability - expected) < 1e-9)
        assert.ok(Math.abs(judgment.labelMass - 0.9) < 1e-9)
      }
    })

    test('tries again after 5xx, 429 and a broken connection', async () => {
      for (const text of ['fails-twice', 'busy-once', 'hangs-up']) {
        assert.equal((await one(`${text} ${name}`)).outcome, 'scored', text)
      }
      assert.equal(timesAsked(`fails-twice ${name}`), 3)
      assert.equal(timesAsked(`busy-once ${name}`), 2)
    })

    test('gives up in the end, and at once where trying again is senseless', async () => {
      await failsWith(`fails-always ${name}`, /in 4 tries: it answered 500: the model fell over/)
      assert.equal(timesAsked(`fails-always ${name}`), 4)
      await failsWith(
        `unauthorized ${name}`,
        /answered 401 \(check the api_key of the judge\): bad key Bearer \[api_key\]/,
      )
      await failsWith(`busy-for-an-hour ${name}`, /429: quota/)
      await failsWith(`do-not-retry ${name}`, /500: final/)
      await failsWith(`redirects ${name}`, /redirects elsewhere; give the final URL/)
      for (const text of ['unauthorized', 'busy-for-an-hour', 'do-not-retry', 'redirects']) {
        assert.equal(timesAsked(`${text} ${name}`), 1, text)
      }
    })

    test('garbage is a failure with a reason, never a number', async () => {
      await failsWith('not-json', /not JSON|not an OpenAI completion|JSON/)
      await failsWith('cut-off', /JSON/)
      await failsWith('other-shape', /not an OpenAI completion: choices|Expected|Malformed|malformed|expected/)
      await failsWith('no-choices', /not an OpenAI completion: choices/)
      await failsWith('word-for-number', /not an OpenAI completion/)
      await failsWith('positive-logprob', /garbage from the provider: token "Yes"/)
      await failsWith('huge', /larger than 1 MiB/)
    })

    test('missing log-probabilities are a failure with a remedy', async () => {
      await failsWith('no-logprobs', /returned no log-probabilities.*or a local judge/)
      await failsWith('sampled-only', /sampled token only.*or a local judge/)
    })

    test('a provider that never answers costs its timeout, not the batch', async () => {
      // The time is up once the good answer is there, and from then on at once.
      const up = new AbortController()
      const client = remoteJudgeClient({ provider: providerAt(server.url), timeout_ms: 40, concurrency: 8 }, KEY, {
        backoffMs: 1,
        timeout: () => AbortSignal.any([up.signal]),
        async fetch(...call) {
          const response = await fetch(...call)
          const text = await response.text()
          setImmediate(() => up.abort())
          return new Response(text, response)
        },
      })
      const judged = await judge(client, `never-answers ${name}`, 'p=0.7')
      assert.deepEqual(
        judged.map(({ outcome }) => outcome),
        ['failed', 'scored'],
      )
      const [late] = judged
      assert.match(late?.outcome === 'failed' ? late.reason : '', /in 4 tries: it gave no answer within 40 ms/)
    })

    test('an abort ends a call that is under way', async () => {
      const controller = new AbortController()
      const request = { messages: [{ role: 'user' as const, content: `never-answers ${name} aborted` }], labels: [] }
      const call = clientOf(providerAt(server.url)).firstTokenLogprobs([request], controller.signal)
      while (!server.received.some(({ text }) => text.endsWith(`${name} aborted`))) await new Promise(setImmediate)
      controller.abort(new Error('enough'))
      await assert.rejects(call, /enough/)
    })

    test('sends one greedy token with alternatives, and the key as bearer', async () => {
      await one(`p=0.5 ${name}`)
      const { body, headers, path } = server.received.find(({ text }) => text === `p=0.5 ${name}`)!
      assert.equal(headers.authorization, `Bearer ${KEY}`)
      assert.deepEqual([body.max_tokens, body.temperature], [1, 0])
      if (name === 'openai completions') {
        assert.deepEqual([path, body.logprobs, body.prompt], ['/v1/completions', 20, `p=0.5 ${name}`])
      } else {
        assert.deepEqual([path, body.logprobs, body.top_logprobs], ['/v1/chat/completions', true, 20])
      }
    })

    test('asks for fewer alternatives where 20 are refused, and remembers', async () => {
      const strict = await startProviderServer({ maxTopLogprobs: 5 })
      try {
        const client = clientOf(providerAt(strict.url), { concurrency: 1 })
        assert.deepEqual(
          (await judge(client, 'p=0.1', 'p=0.2')).map(({ outcome }) => outcome),
          ['scored', 'scored'],
        )
        assert.equal(strict.received.length, 3)
      } finally {
        await strict.close()
      }
    })

    test('tells a model that can think not to, and stops telling where the server does not know that', async () => {
      const sayings = [
        'Unrecognized request argument supplied: chat_template_kwargs',
        'Unknown parameter: chat_template_kwargs.',
        'body.chat_template_kwargs: Extra inputs are not permitted',
      ]
      for (const unknownField of sayings) {
        const strict = await startProviderServer({ unknownField })
        try {
          const client = clientOf(providerAt(strict.url), { concurrency: 1 })
          const outcomes = (await judge(client, 'p=0.1', 'p=0.2')).map(({ outcome }) => outcome)
          assert.deepEqual(outcomes, ['scored', 'scored'])
          const told = strict.received.map(({ body }) => 'chat_template_kwargs' in body)
          assert.deepEqual(told, name === 'openai completions' ? [false, false] : [true, false, false])
        } finally {
          await strict.close()
        }
      }
      await one(`p=0.5 thinking ${name}`)
      const { body } = server.received.find(({ text }) => text === `p=0.5 thinking ${name}`)!
      const expected = name === 'openai completions' ? undefined : { enable_thinking: false }
      assert.deepEqual(body.chat_template_kwargs, expected)
    })

    test('keeps to its concurrency', async () => {
      const slow = await startProviderServer({ delayMs: 10 })
      try {
        const texts = Array.from({ length: 12 }, (_, i) => `p=0.${i + 10}`)
        const client = clientOf(providerAt(slow.url), { concurrency: 3 })
        const judged = await Promise.all([
          judge(client, ...texts),
          judge(client, ...texts.map((text) => `${text} too`)),
        ])
        assert.ok(judged.flat().every(({ outcome }) => outcome === 'scored'))
        assert.equal(slow.peak(), 3, 'of both calls together')
      } finally {
        await slow.close()
      }
    })
  })

  test(`${name}: nobody listens`, async () => {
    const [judgment] = await judge(clientOf(providerAt('http://127.0.0.1:9')), 'p=0.5')
    assert.match(judgment?.outcome === 'failed' ? judgment.reason : '', /cannot be reached/)
  })
}

test('a local judge has no HTTP client', () => {
  assert.throws(
    () => clientOf({ type: 'local', model: 'm', engine: 'gavel' }),
    (error) => error instanceof GavelError && error.code === 'unavailable_here',
  )
})

test('huggingface without an endpoint goes to the router with the Hub’s choice of provider', async () => {
  const urls: string[] = []
  const client = remoteJudgeClient(
    { provider: { type: 'huggingface', model: 'Qwen/Qwen3-8B', has_api_key: true }, timeout_ms: 1000, concurrency: 1 },
    KEY,
    {
      fetch: async (input) => {
        urls.push(String(input))
        return new Response('{"error":"no such model"}', {
          status: 404,
          headers: { 'content-type': 'application/json' },
        })
      },
    },
  )
  const [judgment] = await judge(client, 'p=0.5')
  assert.deepEqual(urls, ['https://router.huggingface.co/v1/chat/completions'])
  assert.match(judgment?.outcome === 'failed' ? judgment.reason : '', /answered 404: no such model/)
})
