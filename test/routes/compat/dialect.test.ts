/** What the dialects have in common: names in URLs, gold answers, rows without a score, ids and usage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { failingApp } from './failing-app.ts'
import { chatml, close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const { refused } = app
const question = 'What is 2 + 3?'
const usage = (items: number) => ({ prompt_tokens: 9 * items, completion_tokens: items, total_tokens: 10 * items })
const fresh = (name: string) => chatml(`Fresh for ${name}?`, 'It is 5.')
const hex = /^[0-9a-f]{32}$/
/** 2026-01-01T00:00:00Z, where the clock of the tests stands. */
const NOW = 1_767_225_600

test('a name of a recipe or judge that cannot be looked up is no 404', async () => {
  const broken = await failingApp(new Error('not asked'))
  const json = { prompts: ['q'], completions: ['a'] }
  const ask = async (named: string, status: number) =>
    (await broken.json(`/compat/trl/${named}`, { json }, status)).error
  const name = 'n'.repeat(101)
  assert.ok((await ask(name, 404)).message.includes(` ${JSON.stringify(name.slice(1))}. `), 'a long name is cut')
  broken.deps.database.judges.find = () => Promise.reject(new GavelError('disk_full', 'no room'))
  const full = await ask('j', 507)
  assert.deepEqual([full.code, full.message], ['disk_full', 'no room'])
  broken.deps.database.judges.find = () => Promise.reject(new Error('insides'))
  assert.equal((await ask('j', 500)).code, 'internal')
  broken.close()
})

test('a row without a score gets the middle of what its recipe can give, or what the URL says', async () => {
  const make = (name: string, more: object) =>
    app.json('/v1/recipes', { json: { name, lambda: 2, mu: 1, rho: 2, verifier: 'math', judge: 'j', reranker: 'j', ...more } }) // prettier-ignore
  await make('by-row', {})
  await make('as-given', { normalise: 'none' })
  await make('bounded', { normalise: 'none', clip: { min: -1, max: 2 } })
  const neutral = (path: string) => app.json(`/compat/slime/${path}`, { json: { prompt: 'q', response: 'boom 7' } })
  assert.deepEqual([await neutral('by-row'), await neutral('as-given'), await neutral('bounded')], [0.5, 2.5, 2])
  assert.deepEqual([await neutral('bounded?neutral=-3'), await neutral('by-row?neutral=0')], [-3, 0])
  await app.json('/compat/slime/j?neutral=1000001', { json: { prompt: 'q', response: 'a' } }, 400)
  assert.equal(await neutral('j?neutral=1000000'), 1e6)
})

test('a gold answer is text, a number, a truth value, or one of these alone in a list or as `answer`', async () => {
  const rewarded = async (label: unknown, response = 'I say that it is 5.') =>
    app.json('/compat/slime/both', { json: { prompt: question, response, label } })
  for (const gold of ['5', 5, [5], ['5'], { answer: '5' }, { answer: [5] }, [{ answer: 5 }]])
    assert.ok(close(await rewarded(gold), (1 + YES) / 2), JSON.stringify(gold))
  for (const none of [null, '', [null], { answer: '' }])
    assert.ok(close(await rewarded(none), YES), JSON.stringify(none))
  const wrong = async (label: unknown) => (await refused('/compat/slime/both', { prompt: question, response: 'a', label }, 422)).param // prettier-ignore
  assert.equal(await wrong([5, 6]), 'label')
  assert.equal(await wrong([]), 'label')
  assert.equal(await wrong({ gold: 5 }), 'label')
  assert.equal(await wrong([{ answer: { a: 5 } }]), 'label[0].answer')
  assert.equal(await wrong({ answer: [2 ** 53] }), 'label.answer[0]')
  const exact = { name: 'exact', lambda: 1, verifier: 'exact' }
  await app.json('/v1/recipes', { json: exact })
  const same = (label: unknown) => app.json('/compat/slime/exact', { json: { prompt: 'q', response: 'true', label } })
  assert.deepEqual([await same(true), await same(false)], [1, 0])
})

test('vLLM and SGLang give the model’s name back, or else call it by the URL', async () => {
  const ids = { items: ['It is 5.'], label_token_ids: [9454, 2753] }
  const calls = {
    'vllm/j/classify': { input: fresh('a') },
    'vllm/j/score': { queries: 'fresh b', documents: ['5'] },
    'vllm/j/rerank': { query: 'fresh c', documents: ['5'] },
    'vllm/j/generative_scoring': { query: 'fresh d', ...ids },
    'sglang/j/v1/classify': { input: fresh('e') },
    'sglang/j/v1/score': { query: 'fresh f', ...ids },
    'sglang/j/v1/decisions': { input: 'fresh g', questions: [{ id: 'y', type: 'yes_no', question: 'q' }] },
  }
  for (const [path, json] of Object.entries(calls)) {
    const unnamed = await app.json(`/compat/${path}`, { json })
    assert.equal(unnamed.model, 'j', path)
    const expected = path === 'vllm/j/rerank' ? { prompt_tokens: 9, total_tokens: 10 } : usage(1)
    assert.deepEqual(unnamed.usage, expected, path)
    assert.equal((await app.json(`/compat/${path}`, { json: { ...json, model: 'mine' } })).model, 'mine', path)
    assert.equal((await app.json(`/compat/${path}`, { json: { ...json, model: null } })).model, 'j', path)
  }
})

test('vLLM and SGLang number their answers and say when they were made', async () => {
  const scored = { index: 0, object: 'score' }
  for (const [path, json, kind] of [
    ['vllm/j/classify', { input: chatml(question, 'It is 5.') }, 'classify'],
    ['vllm/j/score', { queries: question, documents: ['5'] }, 'embd'],
    ['vllm/j/generative_scoring', { query: question, items: '5', label_token_ids: [9454, 2753] }, 'generative-scoring'],
    ['sglang/j/v1/classify', { input: chatml(question, 'It is 5.') }, 'classify'],
  ] as const) {
    const { id, object, created, data } = await app.json(`/compat/${path}`, { json })
    assert.deepEqual([object, created], ['list', NOW], path)
    assert.ok(id.startsWith(`${kind}-`) && hex.test(id.slice(kind.length + 1)), id)
    if (kind !== 'classify') assert.deepEqual({ ...data[0], score: 0 }, { ...scored, score: 0 })
  } // prettier-ignore
  const { id } = await app.json('/compat/vllm/j/rerank', { json: { query: question, documents: ['5'] } })
  assert.match(id, /^rerank-[0-9a-f]{32}$/)
  for (const server of ['vllm', 'sglang'])
    assert.equal((await app.json(`/compat/${server}/j/v1/models`)).data[0].created, NOW)
})

test('both classify alike, with no label where there is no score', async () => {
  for (const path of ['vllm/j', 'sglang/j/v1']) {
    const input = [chatml(question, 'It is 5.'), chatml(question, 'It is 6.'), chatml(question, 'nothing')]
    const { data } = await app.json(`/compat/${path}/classify`, { json: { input } })
    assert.deepEqual(data.map(({ label }: { label: string | null }) => label), ['yes', 'no', null]) // prettier-ignore
    assert.ok(close(data[1].probs[0], 2 / 9) && close(data[1].probs[1], YES))
    assert.deepEqual(data[2], { index: 2, label: null, probs: [], num_classes: 2 })
    const text = await app.json(`/compat/${path}/classify`, { json: { input: chatml(question, 'It is 5.') } })
    assert.equal(text.data.length, 1)
  }
})
