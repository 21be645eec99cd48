/** Details of dialects that no client's own recorded requests show. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import type { ScoredItem } from '../../../src/core/judges/score-items.ts'
import { ranked } from '../../../src/routes/compat/judge-texts.ts'
import { testApp } from '../../helpers/test-app.ts'
import { chatml, close, compatApp, YES, type CompatApp } from './compat-app.ts'

let app: CompatApp
before(async () => {
  app = await compatApp()
})
after(() => app.close())
const refused = async (path: string, json: unknown, status: number) => (await app.json(path, { json }, status)).error

test('a ranking is best first, equals in their order, and without what got no score', () => {
  const scored = (probability: number) => ({ outcome: 'scored', probability, labelMass: 1 }) as ScoredItem
  const failed = { outcome: 'failed', reason: 'x' } as ScoredItem
  const all = [scored(0.2), failed, scored(0.9), scored(0.2), scored(0.5)]
  const places = (topN: number) => ranked(all, topN).map(({ index }) => index)
  assert.deepEqual([places(0), places(2), places(9)], [[2, 4, 0, 3], [2, 4], [2, 4, 0, 3]]) // prettier-ignore
})

describe('questions about a conversation', () => {
  const ask = async (input: unknown) => {
    app.calls.length = 0
    await app.json('/v1/decisions', {
      json: { model: 'j', input, questions: [{ type: 'predicate', instructions: 'Is it?' }] },
    })
    return /<decision_material>\n([^]*?)\n<\/decision_material>/.exec(app.calls.flat()[0]!)![1]
  }

  test('one message of a user is its text; others are named by their speakers', async () => {
    assert.equal(await ask([{ content: 'alone' }]), 'alone')
    assert.equal(await ask([{ role: 'assistant', content: 'said' }]), 'assistant: said')
    assert.equal(await ask([{ role: 'user', content: 'a' }, { content: 'b' }]), 'user: a\n\nuser: b')
  })

  test('parts of text stand on lines of their own; a call and its output are shown as they are', async () => {
    const parts = [
      { type: 'input_text', text: 'one' },
      { type: 'input_text', text: 'two' },
    ]
    assert.equal(await ask([{ role: 'user', content: parts }]), 'one\ntwo')
    const call = { type: 'function_call_output', call_id: 'c', output: 'sunny' }
    assert.equal(await ask([{ role: 'user', content: 'a' }, call]), `user: a\n\n${JSON.stringify(call)}`)
  })

  test('a judge that fails is told of at most 500 characters’ worth; an abstention has no probabilities', async () => {
    const question = { type: 'predicate', instructions: 'boom?' }
    const error = await refused('/v1/decisions', { model: 'j', input: 'x', questions: [question] }, 502)
    assert.deepEqual([error.code, error.param], ['judge_unreachable', 'questions[0]'])
    assert.match(error.message, /for `questions\[0\]`: the provider answered 500\. Send the request again/)
  })
})

test('what systemone asks about has to be given', async () => {
  const json = { model: 'j', questions: { a: { instructions: 'q', type: 'noul' } } }
  const error = await refused('/v1/systemone', json, 400)
  assert.deepEqual([error.code, error.param], ['invalid_request', 'state'])
})

test('a gold answer that cannot be compared is named by the column it was read from', async () => {
  const json = (column: string) => ({
    prompts: ['q'],
    completions: ['#### 5'],
    columns: { [column]: ['as many as John'] },
  })
  const byDefault = await refused('/compat/trl/both', json('answer'), 422)
  assert.equal(byDefault.param, 'columns.answer[0]')
  const named = await refused('/compat/trl/both?answer=gold', json('gold'), 422)
  assert.equal(named.param, 'columns.gold[0]')
})

test('a sum of what NeMo-Gym verified: by task where a task is named, and no mean of nothing', async () => {
  const sum = (rows: object[]) =>
    app.json('/compat/nemo-gym/both/aggregate_metrics', { json: { verify_responses: rows } })
  const rows = [{ _ng_task_index: 0, reward: 1 }, { _ng_task_index: 0, reward: 0 }, { reward: 0.5 }]
  const { group_level_metrics, agent_metrics, key_metrics } = await sum(rows)
  assert.deepEqual(group_level_metrics.map((one: { _ng_task_index: number }) => one._ng_task_index), [0]) // prettier-ignore
  assert.deepEqual([agent_metrics['mean/reward'], key_metrics], [0.5, { 'mean/reward': 0.5 }])
  assert.deepEqual((await sum([])).key_metrics, {})
})

test('a name in a URL that is neither recipe nor judge is looked for as a recipe and as a judge', async () => {
  const error = await refused('/compat/trl/nobody', { prompts: ['q'], completions: ['a'] }, 404)
  assert.deepEqual([error.code, error.param], ['not_found', 'reward'])
  assert.match(error.message, /no reward recipe and no judge "nobody"/)
})

test('resources begin with what all have: id, kind, name and time', async () => {
  await app.json('/v1/models', { json: { name: 'm', source: { type: 'local', path: '/m' } } })
  const key = await app.json('/v1/keys', { json: { name: 'mine', scopes: ['judge'] } })
  assert.equal(key.name, 'mine')
  for (const [path, object, name] of [['/v1/models/m', 'model', 'm'], ['/v1/recipes/both', 'reward', 'both'], ['/v1/judges/j', 'judge', 'j']] as const) {
    const shown = await app.json(path)
    assert.deepEqual([shown.object, shown.name, shown.created_at], [object, name, 1_767_225_600], path)
    assert.match(shown.id, new RegExp(`^${object}_\\w{24}$`))
  } // prettier-ignore
  const { id } = await app.json('/v1/judges/unread')
  assert.deepEqual(await app.json('/v1/judges/unread', { method: 'DELETE' }), { id, object: 'judge', deleted: true })
  const list = await app.json('/v1/models')
  assert.deepEqual([list.object, list.data.length, list.has_more], ['list', 1, false])
})

const question = 'What is 2 + 3?'
/** 2026-01-01T00:00:00Z, where the clock of the tests stands. */
const NOW = 1_767_225_600
const JUDGE = { name: 'j', provider: { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' } }

/** An API whose judge answers each prompt with this. */
async function failingApp(error: Error) {
  const client = { firstTokenLogprobs: async (requests: readonly unknown[]) => requests.map(() => error) }
  const failing = await testApp({ judgeClient: () => client })
  await failing.json('/v1/judges', { json: JUDGE })
  return failing
}

test('of what a provider said, 500 characters are told', async () => {
  const broken = await failingApp(new Error('x'.repeat(600)))
  const ask = async (path: string, json: object, status: number) => (await broken.json(path, { json }, status)).error
  const decision = { model: 'j', input: 'i', questions: [{ type: 'predicate', instructions: 'q' }] }
  const { message } = await ask('/v1/decisions', decision, 502)
  assert.equal(message, `The judge could not be had for \`questions[0]\`: ${'x'.repeat(500)}. Send the request again: what it answered is kept.`) // prettier-ignore
  assert.equal(await ask('/compat/tei/j/predict', { inputs: ['q', 'a'] }, 424), `The judge failed on all of \`inputs\`: ${'x'.repeat(500)}`) // prettier-ignore
  broken.close()

  const long = await failingApp(new GavelError('prompt_too_long', 'y'.repeat(600)))
  const refusedFor = async (path: string, json: object) => (await long.json(path, { json }, 422)).error
  const refusal = await refusedFor('/v1/decisions', decision)
  assert.deepEqual([refusal.code, refusal.param], ['prompt_too_long', 'questions[0]'])
  assert.equal(refusal.message, `\`questions[0]\`: ${'y'.repeat(500)}.`)
  assert.equal(await refusedFor('/compat/tei/j/rerank', { query: 'q', texts: ['a'] }), `\`texts\`: ${'y'.repeat(500)}.`)
  long.close()
})

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

describe('answers of servers, figure by figure', () => {
  const usage = (items: number) => ({ prompt_tokens: 9 * items, completion_tokens: items, total_tokens: 10 * items })
  const fresh = (name: string) => chatml(`Fresh for ${name}?`, 'It is 5.')
  const hex = /^[0-9a-f]{32}$/

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

  test('SGLang ranks all where it is not told how many, each with its place', async () => {
    const rank = (more: object) =>
      app.json('/compat/sglang/j/v1/rerank', { json: { query: question, documents: ['6', '5', 'nothing'], ...more } })
    const all = await rank({})
    assert.deepEqual(all.map(({ score: _, ...rest }: { score: number }) => rest), [{ document: '5', index: 1 }, { document: '6', index: 0 }]) // prettier-ignore
    assert.ok(close(all[0].score, YES) && close(all[1].score, 2 / 9))
    for (const top_n of [0, null, 2, 3]) assert.equal((await rank({ top_n })).length, 2)
    assert.deepEqual((await rank({ top_n: 1, return_documents: false })).map(({ index }: { index: number }) => index), [1]) // prettier-ignore
    await app.json('/compat/sglang/j/v1/rerank', { json: { query: question, documents: ['5'], top_n: -1 } }, 400)
  })

  test('SGLang: what yes and no mean is shown, under the judge’s own words', async () => {
    const asked = async (more: object) => {
      app.calls.length = 0
      const questions = [{ id: 'y', type: 'yes_no', question: 'The answer is right.', ...more }]
      await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'm', questions } })
      return app.calls.flat()[0]!.split('</decision_material>').at(-1)!
    }
    const reply = 'Reply with exactly one word: Yes or No.'
    const statement = '\n\nIs the following true? The answer is right.\n\n'
    assert.equal(await asked({ yes: 'exactly', no: 'not quite' }), `${statement}Yes: exactly\nNo: not quite\n${reply}`)
    assert.equal(await asked({ yes: null, no: 'never' }), `${statement}No: never\n${reply}`)
    assert.equal(await asked({ yes: 'always' }), `${statement}Yes: always\n${reply}`)
    assert.equal(await asked({}), statement + reply)
  })

  test('SGLang: a temperature sharpens or flattens, level by level', async () => {
    const levels = async (temperature: number | null | undefined) => {
      const questions = [{ id: 's', type: 'score', question: 'How good?', levels: [1, 2, 3] }]
      const json = { input: 'pick=2', questions, ...(temperature !== undefined && { temperature }) }
      return (await app.json('/compat/sglang/j/v1/decisions', { json })).answers.s
    }
    for (const plain of [undefined, null, 1]) {
      const { type, probabilities, score, label_mass, choice } = await levels(plain)
      assert.deepEqual([type, choice, Object.keys(probabilities)], ['score', undefined, ['1', '2', '3']])
      assert.ok(close(probabilities[1], 1 / 9) && close(probabilities[3], 7 / 9) && close(label_mass, 0.9))
      assert.ok(close(score, (1 + 2 * 7) / 9))
    }
    // Squared: 1, 1 and 49 of 51.
    const sharp = await levels(0.5)
    assert.ok(close(sharp.probabilities[1], 1 / 51) && close(sharp.probabilities[3], 49 / 51))
    assert.ok(close(sharp.score, (1 + 2 * 49) / 51) && close(sharp.label_mass, 0.9))
    await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'x', temperature: 0.001, questions: [{ id: 'y', type: 'yes_no', question: 'q' }] } }, 400) // prettier-ignore
  })

  test('TEI says what it is: one class, yes, and its largest batch', async () => {
    assert.deepEqual(await app.json('/compat/tei/j/info'), {
      model_id: 'j',
      model_type: { classifier: { id2label: { 0: 'yes' }, label2id: { yes: 0 } } },
      max_client_batch_size: 4096,
    })
  })

  test('TEI gives probabilities unless raw scores are asked for, and texts where they are asked for', async () => {
    const rank = (more: object) => app.json('/compat/tei/j/rerank', { json: { query: question, texts: ['6', '5'], ...more } }) // prettier-ignore
    const [best, worst] = await rank({})
    assert.deepEqual([best.index, worst.index, best.text], [1, 0, undefined])
    assert.ok(close(best.score, YES) && close(worst.score, 2 / 9))
    const raw = await rank({ raw_scores: true, return_text: true })
    assert.deepEqual(raw.map(({ text }: { text: string }) => text), ['5', '6']) // prettier-ignore
    assert.ok(close(raw[0].score, Math.log(7 / 2)) && close(raw[1].score, Math.log(2 / 7)))
    const pairs = await app.json('/compat/tei/j/predict', { json: { inputs: [[question, '5'], [question, '6']] } }) // prettier-ignore
    assert.deepEqual(pairs.map((one: object[]) => one.length), [1, 1]) // prettier-ignore
    const chat = await app.json('/compat/tei/j/predict', {
      json: { inputs: [chatml(question, '5')], raw_scores: true },
    })
    assert.ok(close(chat[0].score, Math.log(7 / 2)))
    assert.deepEqual(await app.json('/compat/tei/j/predict', { json: { inputs: [] } }), [])
    const plain = async (inputs: unknown) => (await refused('/compat/tei/j/predict', { inputs }, 422)) as string
    assert.match(await plain('no chat'), /^`inputs` has no turn of an assistant/)
    assert.match(await plain(['no chat']), /^`inputs` has no turn of an assistant/)
    assert.match(await plain([[chatml(question, '5')], ['no chat']]), /^`inputs\[1\]` has no turn of an assistant/)
  })

  test('TEI’s errors: its own statuses and kinds', async () => {
    const asked = async (path: string, status: number, key?: string | null) =>
      (await app.json(`/compat/tei/${path}/predict`, { json: { inputs: ['q', '5'] }, ...(key !== undefined && { key }) }, status)).error_type // prettier-ignore
    assert.equal(await asked('nobody', 404), 'Validation')
    assert.equal(await asked('j', 401, null), 'Validation')
    const { find } = app.deps.database.judges
    const failWith = (error: Error) => (app.deps.database.judges.find = () => Promise.reject(error))
    failWith(new GavelError('storage_unavailable', 'away'))
    assert.equal(await asked('j', 503), 'Unhealthy')
    failWith(new GavelError('rate_limited', 'slow down'))
    assert.equal(await asked('j', 429), 'Overloaded')
    failWith(new GavelError('disk_full', 'full'))
    assert.equal(await asked('j', 507), 'Backend')
    app.deps.database.judges.find = find
  })
})

describe("OpenAI's decisions, figure by figure", () => {
  const decide = (questions: object[], input: unknown = 'pick=1') =>
    app.json('/v1/decisions', { json: { model: 'j', input, questions } })

  test('tokens are counted, none of them as cached or thought', async () => {
    const { usage } = await decide([{ type: 'predicate', instructions: 'counted?' }])
    assert.deepEqual(usage, {
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: 1,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 10,
    })
  })

  test('answers carry the names of their questions; unnamed ones may be many', async () => {
    const levels = [{ label: 'bad' }, { label: 'good' }]
    const choices = [{ value: 'a' }, { value: 'b' }]
    const { answers } = await decide([
      { type: 'predicate', instructions: 'q' },
      { type: 'predicate', instructions: 'q', name: null },
      { type: 'score', instructions: 'q', levels, name: 's' },
      { type: 'choice', instructions: 'q', choices, name: 'c' },
    ])
    assert.deepEqual(answers.map(({ name }: { name: string | null }) => name), [null, null, 's', 'c']) // prettier-ignore
    const [, , score, choice] = answers
    assert.ok(close(score.score, YES) && close(score.confidence, YES))
    assert.deepEqual([choice.choice, choice.probabilities[1].value], ['b', 'b'])
    assert.ok(close(choice.confidence, YES) && close(choice.probabilities[0].probability, 2 / 9))
    const silent = await decide([{ type: 'predicate', instructions: 'q', name: 'n' }], 'nothing')
    assert.deepEqual(silent.answers, [{ type: 'refusal', name: 'n' }])
  })

  test('a name that is given twice is named by its first hundred characters', async () => {
    const twice = { type: 'predicate', instructions: 'q', name: `${'n'.repeat(100)}mm` }
    const json = { model: 'j', input: 'x', questions: [twice, twice] }
    const error = await refused('/v1/decisions', json, 422)
    assert.equal(error.message, `\`questions[1].name\` "${'n'.repeat(100)}" is that of another question; give each its own.`) // prettier-ignore
  })

  test('what choices and levels mean is shown; of instructions, parts that are no text as JSON', async () => {
    const shown = async (question: object) => {
      app.calls.length = 0
      await decide([question])
      return app.calls.flat()[0]!.split('</decision_material>\n\n').at(-1)
    }
    const reply = 'Reply with exactly one letter: A, B.'
    const choices = [{ value: 'red', description: 'warm' }, { value: true }]
    assert.equal(await shown({ type: 'choice', instructions: 'Which?', choices }), `Which?\n\nA. red: warm\nB. true\n\n${reply}`) // prettier-ignore
    const levels = [{ label: 'bad' }, { label: 'good', description: 'fine' }]
    assert.equal(await shown({ type: 'score', instructions: 'How?', levels }), `How?\n\nA. bad\nB. good: fine\n\n${reply}`) // prettier-ignore
    const instructions = [{ type: 'input_text', text: 'So?' }, { type: 'input_json', json: { a: 1 } }] // prettier-ignore
    const words = 'Reply with exactly one word: Yes or No.'
    assert.equal(await shown({ type: 'predicate', instructions }), `Is the following true? So?\n{"type":"input_json","json":{"a":1}}\n\n${words}`) // prettier-ignore
    const image = { type: 'predicate', instructions: [{ type: 'input_image', image_url: 'x' }] }
    assert.equal((await refused('/v1/decisions', { model: 'j', input: 'x', questions: [image] }, 422)).param, 'questions[0].instructions[0]') // prettier-ignore
  })
})

describe('System One, figure by figure', () => {
  const ask = (questions: object, status = 200) =>
    app.json('/v1/systemone', { json: { model: 'j', state: 'pick=1', questions } }, status)

  test('what true and false mean is shown; tokens are counted as read, none as written', async () => {
    app.calls.length = 0
    const criteria = { true: 'it is', false: 'it is not' }
    const { usage, answers } = await ask({ n: { type: 'noul', instructions: 'Right?', criteria } })
    assert.deepEqual(usage, { input_tokens: 9, output_tokens: 0 })
    assert.ok(close(answers.n.noul, 2 / 9))
    assert.match(
      app.calls.flat()[0]!,
      /Right\?\n\nYes: it is\nNo: it is not\nReply with exactly one word: Yes or No\.$/,
    )
  })

  test('probabilities stand under their names, the likeliest is the choice', async () => {
    const { answers } = await ask({
      c: { type: 'choice', instructions: 'Which?', criteria: { red: 'warm', blue: null } },
      s: { type: 'score', instructions: 'How?', criteria: ['bad', 'fair', 'good'] },
    })
    assert.equal(answers.c.choice, 'blue')
    assert.ok(close(answers.c.probabilities.red, 2 / 9) && close(answers.c.confidence, YES))
    assert.deepEqual(Object.keys(answers.s.probabilities), ['0', '1', '2'])
    assert.ok(close(answers.s.score, (YES * 9 + 2) / 9) && close(answers.s.confidence, YES))
    assert.match(app.calls.at(-1)!.join(), /Which\?\n\nA\. red: warm\nB\. blue\n/)
  })

  test('a question is named by the first hundred characters of its id', async () => {
    const id = `${'i'.repeat(100)}jj`
    const { error } = await ask({ [id]: { type: 'boolean', instructions: 'boom' } }, 502)
    assert.equal(error.param, `questions.${'i'.repeat(100)}`)
  })

  test('there are 1 to 400 questions', async () => {
    const questions = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`q${i}`, { type: 'boolean', instructions: `${i}` }]))
    assert.equal(Object.keys((await ask(questions(400))).answers).length, 400)
    assert.equal((await ask(questions(401), 422)).error.param, 'questions')
    assert.equal((await ask({}, 422)).error.param, 'questions')
  })
})

describe('NeMo-Gym, detail by detail', () => {
  const verify = (responses_create_params: object, response: object, more: object = {}) =>
    app.json('/compat/nemo-gym/both/verify', { json: { responses_create_params, response, ...more } })
  const said = (content: unknown) => ({ type: 'message', role: 'assistant', content })
  const shown = () =>
    /Question:\n([^]*?)\n\n<student_answer>\n([^]*?)\n<\/student_answer>/.exec(app.lastPrompt())!.slice(1)

  test('instructions are the system’s, before what was said; without them nobody is', async () => {
    const output = [said('I think that it is 5.')]
    await verify({ input: 'And now?', instructions: 'Be brief.' }, { output })
    assert.deepEqual(shown(), ['system: Be brief.\n\nuser: And now?', 'I think that it is 5.'])
    for (const instructions of [undefined, null, '']) {
      app.calls.length = 0
      await verify({ input: `Not told ${instructions}?`, instructions }, { output })
      assert.equal(shown()[0], `Not told ${instructions}?`)
    }
  })

  test('items without a speaker are no messages; the assistant’s texts are the answer, a line each', async () => {
    const input = [{ type: 'reasoning' }, { role: 'user', content: 'First?' }, { role: 'assistant', content: 'One.' }, { role: 'user', content: 'Then?' }] // prettier-ignore
    const output = [{ type: 'reasoning', content: 'hm' }, said('I think: five,'), { type: 'function_call', role: 'assistant', content: 'call' }, { content: [{ type: 'output_text', text: 'so 5.' }] }] // prettier-ignore
    await verify({ input }, { output })
    assert.deepEqual(shown(), ['user: First?\n\nassistant: One.\n\nuser: Then?', 'I think: five,\nso 5.'])
  })

  test('only the parts that count stand beside the reward', async () => {
    const output = [said('I say that it is 5.')]
    const unlabelled = await verify({ input: question }, { output })
    assert.deepEqual(Object.keys(unlabelled.reward_components), ['judge_reward'])
    assert.ok(
      close(unlabelled.judge_reward, YES) && close(unlabelled.reward, YES) && !('verifier_reward' in unlabelled),
    )
    await app.json('/v1/recipes', { json: { name: 'verified', lambda: 1, verifier: 'math' } })
    const json = { responses_create_params: { input: question }, response: { output }, expected_answer: '5' }
    const verified = await app.json('/compat/nemo-gym/verified/verify', { json })
    assert.deepEqual([verified.reward, verified.reward_components, verified.mask_sample], [1, { verifier_reward: 1 }, false]) // prettier-ignore
    const cut = await verify({ input: question }, { output, incomplete_details: { reason: 'content_filter' } })
    assert.ok(close(cut.reward, YES), 'only a cut at the most tokens is gated')
    const whole = await verify({ input: question }, { output, incomplete_details: null })
    assert.ok(close(whole.reward, YES))
  })

  test('a sum over rows has the means of their numbers, without those that only number them', async () => {
    const rows = [
      { _ng_task_index: 3, _ng_rollout_index: 0, reward: 1, tokens: 10 },
      { _ng_task_index: 3, _ng_rollout_index: 1, reward: 0, tokens: 'many' },
      { _ng_task_index: 4, _ng_rollout_index: 0, reward: 7, mask_sample: true },
    ]
    const sum = (verify_responses: object[]) =>
      app.json('/compat/nemo-gym/both/aggregate_metrics', { json: { verify_responses } })
    assert.deepEqual(await sum(rows), {
      group_level_metrics: [
        { _ng_task_index: 3, 'mean/reward': 0.5, 'mean/tokens': 10, 'mean/mask_sample': 0 },
        { _ng_task_index: 4, 'mean/mask_sample': 1 },
      ],
      agent_metrics: { 'mean/reward': 0.5, 'mean/tokens': 10, 'mean/mask_sample': 1 / 3 },
      key_metrics: { 'mean/reward': 0.5 },
    })
    assert.deepEqual(await sum([]), { group_level_metrics: [], agent_metrics: {}, key_metrics: {} })
    const named = await sum([{ _ng_task_index: 'a', reward: 1 }])
    assert.deepEqual(named.group_level_metrics, [{ 'mean/reward': 1, 'mean/mask_sample': 0 }])
  })
})

test('a grader that asks a judge holds none of the key’s budget when it is done', async () => {
  const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'], budget: { items: 3, per: 'day' } } })
  const labels = { type: 'label_model', name: 'l', model: 'j', labels: ['bad', 'good'], passing_labels: ['good'] }
  const grade = (text: string, status = 200) => {
    const grader = { ...labels, input: [{ role: 'user', content: text }] }
    return app.json('/v1/fine_tuning/alpha/graders/run', { key, json: { grader, model_sample: 'x' } }, status)
  }
  for (const text of ['held once pick=1', 'held twice pick=1', 'held thrice pick=1']) assert.equal((await grade(text)).reward, 1) // prettier-ignore
  assert.equal((await grade('held too often', 429)).error.code, 'budget_spent')
})

test('a graded sample is told of in full: its name, time, tokens, judge, scores and errors', async () => {
  const check = { type: 'string_check', name: 'same', input: '{{sample.output_text}}', reference: 'a', operation: 'eq' }
  const run = (grader: object, model_sample = 'a') =>
    app.json('/v1/fine_tuning/alpha/graders/run', { json: { grader, model_sample } })
  const plain = await run(check)
  const { errors, ...metadata } = plain.metadata
  assert.deepEqual(metadata, { name: 'same', type: 'string_check', execution_time: 0, token_usage: null, sampled_model_name: null, scores: { same: 1 } }) // prettier-ignore
  assert.ok(Object.values(errors).every((error) => error === false || error === null))
  assert.deepEqual([plain.reward, plain.sub_rewards, plain.model_grader_token_usage_per_model], [1, {}, {}])
  const judged = (name: string, text: string) => ({ type: 'score_model', name, model: 'j', input: [{ role: 'user', content: text }] }) // prettier-ignore
  const failed = await run(judged('f', 'told in full boom'))
  assert.deepEqual([failed.reward, failed.metadata.scores], [0, {}])
  assert.match(failed.metadata.errors.model_grader_server_error_details, /500/)
  assert.equal(failed.metadata.errors.python_grader_runtime_error_details, null)
  const flags = Object.entries(failed.metadata.errors).filter(([, value]) => value === true)
  assert.deepEqual(flags.map(([name]) => name), ['model_grader_server_error']) // prettier-ignore
  const both = { type: 'multi', name: 'm', graders: { s: check, t: judged('t', 'told in full pick=9') }, calculate_output: 's' } // prettier-ignore
  const several = await run(both)
  assert.deepEqual(several.metadata.scores, several.sub_rewards)
  assert.deepEqual([several.metadata.token_usage, several.metadata.sampled_model_name], [10, 'j'])
  const { now } = app.deps.clock
  let time = 0
  app.deps.clock.now = () => (time += 250)
  const slow = await run(check)
  app.deps.clock.now = now
  assert.ok(slow.metadata.execution_time >= 0.25 && slow.metadata.execution_time < 10)
})
