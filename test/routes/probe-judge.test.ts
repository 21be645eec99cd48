/** A judge that is tried: what is kept of it, what it costs, and what the next process knows by it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeClients } from '../../src/adapters/judge-clients.ts'
import {
  chatAnswer,
  likingOf,
  optionsAnswer,
  SPOKEN,
  startQuirkServer,
  type Body,
  type Quirk,
  type QuirkServer,
} from '../adapters/judges/quirk-server.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

async function withProvider(quirk: Quirk, run: (api: TestApp, server: QuirkServer, provider: object) => Promise<void>) {
  const server = await startQuirkServer(quirk)
  const api = await testApp({ allowPrivateUrls: true, judgeClient: judgeClients({ fetch }) })
  try {
    await run(api, server, { type: 'openai', base_url: `${server.url}/v1`, model: 'm' })
    assert.deepEqual(api.errors, [], 'no failure of our own')
  } finally {
    api.close()
    await server.close()
  }
}

const strict: Quirk = {
  refuse: (body) =>
    Number(body.top_logprobs) > 5
      ? { status: 422, body: { error: `\`top_n_tokens\` must be >= 0 and <= 5. Given: ${Number(body.top_logprobs)}` } }
      : 'chat_template_kwargs' in body
        ? { status: 400, body: { error: { message: "Unknown parameter: 'chat_template_kwargs'." } } }
        : null,
}
const item = { question: 'q', answer: 'a' }

test('a judge is made untried unless it is to be tried', () =>
  withProvider({}, async (api, server, provider) => {
    const judge = await api.json('/v1/judges', { json: { name: 'j', provider } })
    assert.deepEqual([judge.probe, judge.warnings, server.received.length], [undefined, undefined, 0])
  }))

test('tried: what its provider takes and tells, two calls, paid for as any, cached nowhere', () =>
  withProvider(strict, async (api, server, provider) => {
    const price = { input: 1e6, output: 0 }
    const made = { name: 'j', provider, probe: true, price, budget: { tokens: 1000 } }
    const { id, probe, warnings, spent } = await api.json('/v1/judges', { json: made })
    assert.equal(server.received.filter(({ isRefused }) => !isRefused).length, 2)
    const { label_tokens, probability, latency_ms, ...rest } = probe
    assert.ok(Math.abs(probability - 0.75) < 1e-9 && latency_ms > 0)
    assert.deepEqual(
      label_tokens.yes.map(({ token }: { token: string }) => token),
      ['Yes', ' Yes'],
    )
    assert.ok(Math.abs(label_tokens.yes[0].probability - 0.6) < 1e-9)
    assert.deepEqual(
      label_tokens.no.map(({ token }: { token: string }) => token),
      ['No', 'no'],
    )
    const takes = { top_logprobs: 5, max_tokens_field: 'max_tokens', max_tokens: 1, temperature: true, chat_template_kwargs: false } // prettier-ignore
    assert.ok(Math.abs(rest.label_mass - 0.92) < 1e-9)
    assert.deepEqual(
      { ...rest, label_mass: 0.92 },
      {
        created_at: Math.floor(api.clock.time / 1000),
        usable: true,
        reason: null,
        takes,
        alternatives: 5,
        label_mass: 0.92,
        repeat_difference: 0,
      },
    )
    assert.deepEqual(warnings, [])
    assert.deepEqual(spent, { tokens: 42, cost: 40 })
    await api.deps.ledger.flush()
    const { data } = await api.json('/v1/usage')
    assert.deepEqual([data[0].judge, data[0].items, data[0].prompt_tokens, data[0].completion_tokens], [id, 2, 40, 2])
    assert.equal((await api.json(`/v1/judges/${id}/cache`)).entries, 0)
  }))

test('what was found is asked for from then on, in the next process too; another probe begins anew', () =>
  withProvider(strict, async (api, server, provider) => {
    await api.json('/v1/judges', { json: { name: 'j', provider, probe: true } })
    const refused = () => server.received.filter(({ isRefused }) => isRefused).length
    assert.equal(refused(), 2)
    await api.json('/v1/judgments', { json: { judge: 'j', items: [item] } })
    // A process that begins knows what is stored.
    api.deps.judgeClient = judgeClients({ fetch })
    await api.json('/v1/judgments', { json: { judge: 'j', items: [{ ...item, answer: 'b' }] } })
    assert.equal(refused(), 2)
    await api.json('/v1/judges/j/probe', { json: {} })
    assert.equal(refused(), 4)
  }))

test('a provider that is down, or cannot be asked: the judge is made, and says so; no try is repeated', () =>
  withProvider({ refuse: () => ({ status: 503, body: 'loading' }) }, async (api, server, provider) => {
    const judge = await api.json('/v1/judges', { json: { name: 'j', provider, probe: true } })
    assert.equal(server.received.length, 1)
    assert.deepEqual([judge.probe.usable, judge.probe.alternatives], [false, null])
    assert.match(judge.probe.reason, /it answered 503: loading/)
    assert.match(judge.warnings[0], /gave no score when it was tried: .*503/)
    const nowhere = { type: 'openai', base_url: 'http://127.0.0.1:9/v1', model: 'm' }
    const offline = await api.json('/v1/judges', { json: { provider: nowhere, probe: true } })
    assert.match(offline.probe.reason, /cannot be reached/)
    const ai = await api.json('/v1/judges', { json: { provider: { type: 'workers_ai', model: '@cf/x' }, probe: true } })
    assert.match(ai.probe.reason, /no Workers AI/)
    // Asked for itself, that is an error.
    const { error } = await api.json(`/v1/judges/${ai.id}/probe`, { json: {} }, 422)
    assert.equal(error.code, 'unavailable_here')
  }))

test('0 and −9999: a warning, by the probe and by whoever asks first', () => {
  const certain = {
    answer: () => chatAnswer([{ token: 'Yes', logprob: 0 }, { token: 'No', logprob: -9999 }, { token: 'A', logprob: -9999 }]), // prettier-ignore
  }
  return withProvider(certain, async (api, _, provider) => {
    const tried = await api.json('/v1/judges', { json: { name: 'j', provider, probe: true } })
    assert.deepEqual([tried.probe.usable, tried.probe.probability], [true, 1])
    assert.match(tried.warnings.join(), /^Its provider gives no real probabilities/)
    await api.json('/v1/judges', { json: { name: 'k', provider } })
    const { data } = await api.json('/v1/judgments', { json: { judge: 'k', items: [item, { ...item, answer: 'b' }] } })
    assert.deepEqual([data[0].reward, data[1].reward], [1, 1])
    await api.json('/v1/judgments', { json: { judge: 'k', items: [{ ...item, answer: 'c' }] } })
    const { warnings } = await api.json('/v1/judges/k')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0], /no real probabilities/)
  })
})

test('what cannot be tried, and what is not: ensembles, local judges, the spent, other tenants', () =>
  withProvider({}, async (api, server, provider) => {
    await api.json('/v1/models', { json: { name: 'm', source: { type: 'hub', repo: 'a/b' } } })
    const local = await api.json('/v1/judges', { json: { provider: { type: 'local', model: 'm' }, probe: true } })
    for (const name of ['a', 'b']) await api.json('/v1/judges', { json: { name, provider } })
    const ensemble = { type: 'ensemble', judges: ['a', 'b'] }
    const both = await api.json('/v1/judges', { json: { provider: ensemble, probe: true } })
    assert.deepEqual([local.probe, both.probe, server.received.length], [undefined, undefined, 0])
    assert.match((await api.json(`/v1/judges/${both.id}/probe`, { json: {} }, 422)).error.message, /try its judges/)
    assert.equal((await api.json(`/v1/judges/${local.id}/probe`, { json: {} }, 422)).error.code, 'unavailable_here')
    await api.json('/v1/judges/nobody/probe', { json: {} }, 404)

    const { key } = await api.json('/v1/keys', { json: { scopes: ['judge'], budget: { items: 1, per: 'day' } } })
    await api.json('/v1/judges/a/probe', { key, json: {} }, 413)
    const made = await api.json('/v1/judges', { key, json: { provider, probe: true } })
    assert.match(made.warnings[0], /brings 2 items/)
    assert.equal(server.received.length, 0)
    assert.equal((await api.json('/v1/judges', { json: { provider, probe: 'yes' } }, 400)).error.param, 'probe')
  }))

test('numbers that differ between equal calls, and a first token that is no label', () => {
  let calls = 0
  const noisy = { answer: () => chatAnswer(calls++ % 2 === 0 ? SPOKEN : [SPOKEN[1], SPOKEN[0]!].map((one, i) => ({ ...one, logprob: Math.log(i ? 0.3 : 0.6) }))) } // prettier-ignore
  return withProvider(noisy, async (api, _, provider) => {
    const { probe, warnings } = await api.json('/v1/judges', { json: { provider, probe: true } })
    assert.ok(Math.abs(probe.repeat_difference - (0.75 - 1 / 3)) < 1e-9)
    assert.match(warnings.join(), /Two equal calls differ by 0\.42/)
    const thinks = {
      answer: () =>
        chatAnswer([
          { token: '<think>', logprob: -0.001 },
          { token: 'Yes', logprob: -9 },
        ]),
    }
    await withProvider(thinks, async (other, __, thinking) => {
      const tried = await other.json('/v1/judges', { json: { provider: thinking, probe: true } })
      assert.equal(tried.probe.usable, false)
      assert.match(tried.warnings.join(' '), /label mass .* It thinks before it answers .*"<think>"/)
    })
  })
})

test('many options of a provider that gives few alternatives: refused until the judge is tried, then answered and counted', () =>
  withProvider({ answer: (body) => optionsAnswer(body, 5) }, async (api, server, provider) => {
    const { id } = await api.json('/v1/judges', { json: { name: 'j', provider } })
    const choices = Array.from({ length: 26 }, (_, i) => ({ value: `option${i}` }))
    const questions = [{ type: 'choice', instructions: 'q', choices }]
    const decision = { json: { model: 'j', input: 'i', questions } }
    const { error } = await api.json('/v1/decisions', decision, 422)
    assert.deepEqual([error.code, error.param], ['unprocessable', 'questions[0]'])
    assert.match(
      error.message,
      new RegExp(`^\`questions\\[0\\]\`: the judge's provider gives 5 .*\\(POST /v1/judges/${id}/probe\\)`),
    )
    await api.json(/POST (\S*?)\)/.exec(error.message)![1]!, { json: {} })
    const before = server.received.length
    const { answers } = await api.json('/v1/decisions', decision)
    assert.equal(server.received.length - before, 7 + 2 + 1)
    const total = choices.reduce((sum, _, i) => sum + Math.exp(likingOf(i)), 0)
    answers[0].probabilities.forEach(({ probability }: { probability: number }, i: number) =>
      assert.ok(Math.abs((probability * total) / Math.exp(likingOf(i)) - 1) < 1e-9, `option${i}: ${probability}`),
    )
  }))

test('a score of ten levels, of a provider that gives few alternatives: no score until the judge is tried, then the expected level', () => {
  // Each digit is likelier than the one before by a half, whichever are on offer.
  const digits = (body: Body) => {
    const said = (body.messages as { content: string }[]).at(-1)!.content
    const offered = /of these: ([\d, ]+)\./.exec(said)?.[1]!.split(', ') ?? [...'0123456789']
    const total = offered.reduce((sum, digit) => sum + 1.5 ** Number(digit), 0)
    const all = offered.map((token) => ({ token, logprob: Math.log((0.99 * 1.5 ** Number(token)) / total) }))
    return chatAnswer(/digit/.test(said) ? all.reverse().slice(0, 5) : SPOKEN.slice(0, 5))
  }
  return withProvider({ answer: digits }, async (api, server, provider) => {
    await api.json('/v1/judges', { json: { name: 'j', provider } })
    const input = [{ role: 'user', content: 'How good is it?' }]
    const grader = { type: 'score_model', name: 's', model: 'j', input, range: [0, 9] }
    const run = () => api.json('/v1/fine_tuning/alpha/graders/run', { json: { grader, model_sample: 'x' } })
    const { reward, metadata } = await run()
    assert.deepEqual([reward, metadata.errors.model_grader_server_error], [0, true])
    assert.match(metadata.errors.model_grader_server_error_details, /asked about 4 options at once.* judge doctor /)
    await api.json('/v1/judges/j/probe', { json: {} })
    const before = server.received.length
    const graded = await run()
    assert.equal(server.received.length - before, 3 + 1)
    const weights = Array.from({ length: 10 }, (_, level) => 1.5 ** level)
    const expected = weights.reduce((sum, weight, level) => sum + weight * level, 0) / weights.reduce((a, b) => a + b)
    assert.ok(Math.abs(graded.reward - expected) < 1e-9, `${graded.reward}, not ${expected}`)
  })
})
