/** Every quirk of a provider that is known, over real HTTP: the right number, or an error that says what to do. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { remoteJudgeClient } from '../../../src/adapters/judges/remote-judge-client.ts'
import { decide, promptsOfDecisions } from '../../../src/core/judges/decide.ts'
import { JudgeFailure } from '../../../src/core/judges/judge-failure.ts'
import { hasShades, probabilityOfYes } from '../../../src/core/judges/probability.ts'
import { NO_CACHE } from '../../../src/core/judges/score-items.ts'
import { scoreLabels, type LabelQuestion } from '../../../src/core/judges/score-labels.ts'
import type { JudgeClient, ProviderTakes } from '../../../src/core/ports.ts'
import type { Judge } from '../../../src/core/schemas/judge.ts'
import { CASES, newOpenai, openaiError, YES, type Case } from './quirk-cases.ts'
import {
  chatAnswer,
  lettersOf,
  likingOf,
  optionsAnswer,
  startQuirkServer,
  type Quirk,
  type QuirkServer,
} from './quirk-server.ts'

const LABELS = { yes: 'Yes', no: 'No' }
const KEY = 'sk-a-long-secret'

const providerAt = (url: string, api: Case['api'] = 'chat'): Judge['provider'] =>
  api === 'huggingface'
    ? { type: 'huggingface', model: 'm', endpoint_url: url, has_api_key: true }
    : { type: 'openai', base_url: `${url}/v1`, model: 'm', api, has_api_key: true }

const clientAt = (provider: Judge['provider'], apiKey = KEY, probe?: Judge['probe']) =>
  remoteJudgeClient({ provider, timeout_ms: 5000, concurrency: 1, ...(probe && { probe }) }, apiKey, {
    backoffMs: 1,
    rng: { uniform: () => 0.5 },
  })

async function ask(client: JudgeClient, question: string) {
  const [answer] = await client.firstTokenLogprobs([
    { messages: [{ role: 'user', content: question }], labels: ['Yes', 'No'] },
  ])
  if (answer instanceof Error) {
    assert.ok(answer instanceof JudgeFailure, answer.stack)
    return { error: answer.message, probability: null, usage: answer.usage }
  }
  const judgment = probabilityOfYes(answer!.logprobs, LABELS)
  return judgment.outcome === 'scored'
    ? { error: null, probability: judgment.probability, usage: answer!.usage }
    : { error: (judgment as { reason: string }).reason, probability: null, usage: answer!.usage }
}

async function withServer(quirk: Quirk, run: (server: QuirkServer) => Promise<void>): Promise<void> {
  const server = await startQuirkServer(quirk)
  try {
    await run(server)
  } finally {
    await server.close()
  }
}

describe('the quirks of providers', { concurrency: 4 }, () => {
  for (const [name, quirk] of Object.entries(CASES)) {
    test(name, () =>
      withServer(quirk, async (server) => {
        const client = clientAt(providerAt(server.url, quirk.api))
        const first = await ask(client, 'first')
        const firstRequests = server.received.length
        const later = await ask(client, 'later')
        for (const { probability, error } of [first, later]) {
          if (quirk.error) assert.match(error ?? 'no error', quirk.error)
          else assert.ok(Math.abs(probability! - (quirk.probability ?? 0.75)) < 1e-6, error ?? String(probability))
        }
        if (quirk.requests) {
          assert.deepEqual([firstRequests, server.received.length - firstRequests], quirk.requests)
        }
        assert.ok(server.received.length <= 20, `${server.received.length} requests`)
        const takes = client.takes!()
        for (const [field, value] of Object.entries(quirk.takes ?? {})) {
          assert.equal(takes[field as keyof ProviderTakes], value, field)
        }
      }),
    )
  }
})

test('what a refusal did not mend is not learnt: a later question is asked as if nothing had been said', () =>
  withServer(
    { refuse: (_, times) => (times <= 2 ? openaiError('temperature is not supported', null, null) : null) },
    async (server) => {
      const client = clientAt(providerAt(server.url))
      assert.match((await ask(client, 'first')).error!, /temperature is not supported/)
      assert.equal((await ask(client, 'later')).probability! > 0.7, true)
      assert.deepEqual(
        server.received.map(({ body }) => 'temperature' in body),
        [true, false, true],
      )
    },
  ))

test('a refusal as long as a body may be is read in no time', () =>
  withServer(
    { refuse: () => openaiError(`${'a.'.repeat(400_000)} is not supported: logprobs temperature`, null, null) },
    async (server) => {
      const started = performance.now()
      assert.match((await ask(clientAt(providerAt(server.url)), 'q')).error!, /answered 400: a\.a\./)
      assert.ok(performance.now() - started < 1000)
    },
  ))

test('a provider that refuses whatever is asked is given up on', () =>
  withServer(
    { refuse: (_, times) => openaiError(`max_tokens must be at least ${times + 1}`, 'max_tokens', null) },
    async (server) => {
      assert.match((await ask(clientAt(providerAt(server.url)), 'q')).error!, /must be at least 18/)
      assert.equal(server.received.length, 17)
    },
  ))

test('what was learnt before is not learnt again', () =>
  withServer({ refuse: newOpenai }, async (server) => {
    const first = clientAt(providerAt(server.url))
    await ask(first, 'first')
    const takes = first.takes!()
    const refused = server.received.filter(({ isRefused }) => isRefused).length
    const probe = { takes } as Judge['probe']
    await ask(clientAt(providerAt(server.url), KEY, probe), 'in another process')
    assert.equal(server.received.filter(({ isRefused }) => isRefused).length, refused)
  }))

test('many questions at once learn what one does, and all are answered', () =>
  withServer({ refuse: newOpenai }, async (server) => {
    const client = remoteJudgeClient({ provider: providerAt(server.url), timeout_ms: 5000, concurrency: 16 }, KEY)
    const ask = (count: number) =>
      client.firstTokenLogprobs(
        Array.from({ length: count }, (_, i) => ({
          messages: [{ role: 'user' as const, content: `${i}` }],
          labels: [],
        })),
      )
    assert.ok((await ask(100)).every((answer) => !(answer instanceof Error)))
    // Those that were under way when the first was refused.
    assert.ok(server.received.filter(({ isRefused }) => isRefused).length <= 16 * 4)
    const before = server.received.length
    await ask(10)
    assert.equal(server.received.length, before + 10)
  }))

describe('many options, of a provider that gives few alternatives', () => {
  const TGI = (body: Record<string, unknown>) =>
    Number(body.top_logprobs) > 5
      ? { status: 422, body: { error: 'Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20' } }
      : null
  const quirks = {
    'which it says': { refuse: TGI, answer: optionsAnswer },
    'in silence': { answer: (body) => optionsAnswer(body, 5) },
  } satisfies Record<string, Quirk>
  for (const [how, quirk] of Object.entries(quirks)) {
    test(`${how}: no score until that is known, then the softmax over all`, () =>
      withServer(quirk, async (server) => {
        const provider = providerAt(server.url)
        const client = clientAt(provider)
        const ask = (asked: LabelQuestion[]) => scoreLabels(asked, { id: 'j', min_label_mass: 0.5 }, client, NO_CACHE)
        const decided = async (count: number, probe?: { takes: ProviderTakes; alternatives: number }) => {
          const options = Array.from({ length: count }, (_, i) => ({ name: `option${i}` }))
          const judge = { labels: LABELS, provider, probe }
          const before = server.received.length
          const [scores] = await decide('m', [{ instructions: 'q', options, param: 'q' }], judge, ask)
          if (probe) {
            const prompts = promptsOfDecisions([{ instructions: 'q', options }], judge)
            assert.equal(server.received.length - before, prompts)
          }
          return scores!
        }
        for (const count of [6, 16, 26]) {
          const unknown = await decided(count)
          assert.match(unknown.outcome === 'failed' ? unknown.reason : '', /about 4 options at once.*judge doctor j`/)
        }
        for (const count of [3, 5, 16, 26, 100]) {
          const scores = await decided(count, { takes: client.takes!(), alternatives: 5 })
          assert.ok(scores.outcome === 'scored')
          const weights = Array.from({ length: count }, (_, i) => Math.exp(likingOf(i)))
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          scores.probabilities.forEach((p, i) => assert.ok(Math.abs(p * total / weights[i]! - 1) < 1e-9)) // prettier-ignore
          assert.ok(lettersOf(server.received.at(-1)!.body).length <= 4)
        }
      }))
  }
})

test('what was spent on tries that came to nothing is told', () =>
  withServer(
    {
      refuse: (_, times) =>
        times < 3
          ? { status: 200, body: { error: { code: 502, message: 'died' }, usage: { prompt_tokens: 7, completion_tokens: 1 } } } // prettier-ignore
          : null,
    },
    async (server) => {
      const { usage } = await ask(clientAt(providerAt(server.url)), 'q')
      assert.deepEqual(usage, { promptTokens: 20 + 14, completionTokens: 3 })
    },
  ))

test('tokens of an answer that cannot be used are told with the failure', () =>
  withServer({ answer: () => chatAnswer([YES]) }, async (server) => {
    const { error, usage } = await ask(clientAt(providerAt(server.url)), 'q')
    assert.match(error!, /sampled token only/)
    assert.deepEqual(usage, { promptTokens: 20, completionTokens: 1 })
  }))

test('log-probabilities of 0 and −9999 are known for what they are', () => {
  const of = (...values: (number | null)[]) => values.map((logprob, i) => ({ token: `t${i}`, logprob: logprob ?? -Infinity })) // prettier-ignore
  assert.equal(hasShades(of(0, -9999, -9999)), false)
  assert.equal(hasShades(of(-9999, 0, null)), false)
  assert.equal(hasShades(of(-1e-9, -9999)), false)
  assert.equal(hasShades(of(-1e-9, -25, -9999)), true)
  assert.equal(hasShades(of(-0.7, -0.7)), true)
  assert.equal(hasShades([]), true)
})

describe('where it goes, and with which secret', () => {
  const azure = (base: string) => `${base}/openai/deployments/d?api-version=2024-10-21`
  const at = (base_url: string): Judge['provider'] => ({ type: 'openai', base_url, model: 'm', api: 'chat', has_api_key: true }) // prettier-ignore

  test('the query of the base URL stays behind the path; Azure gets its header', () =>
    withServer({}, async (server) => {
      await ask(clientAt(at(azure(server.url))), 'q')
      const { path, headers } = server.received[0]!
      assert.equal(path, '/openai/deployments/d/chat/completions?api-version=2024-10-21')
      assert.deepEqual([headers['api-key'], headers.authorization], [KEY, undefined])
    }))

  test('a token of Entra ID is a bearer’s there, too', () =>
    withServer({}, async (server) => {
      await ask(clientAt(at(azure(server.url)), 'eyJhbGci.eyJzdWIi.c2ln'), 'q')
      assert.equal(server.received[0]!.headers.authorization, 'Bearer eyJhbGci.eyJzdWIi.c2ln')
    }))

  test('a letter or a placeholder is no secret; a secret is struck out wherever it stands', async () => {
    const said = { status: 400, body: { error: { message: `none of a sk-1234 ${KEY}` } } }
    await withServer({ refuse: () => said }, async (server) => {
      const told = async (key: string) => (await ask(clientAt(providerAt(server.url), key), 'q')).error
      assert.match((await told('a'))!, /it answered 400: none of a/)
      assert.match((await told('none'))!, /: none of a sk-1234/)
      assert.match((await told('sk-1234'))!, /: none of a \[api_key\] /)
      assert.match((await told(KEY))!, /: none of a sk-1234 \[api_key\]$/)
    })
  })
})
