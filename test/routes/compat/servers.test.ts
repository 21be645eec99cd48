/** The exact requests of clients of vLLM, SGLang and TEI. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chatml, close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const query = 'What is 2 + 3?'
const documents = ['It is 6.', 'It is 5.', 'nothing', 'boom']

describe('vLLM', () => {
  const post = (path: string, json: object, status = 200) => app.json(`/compat/vllm/j${path}`, { json }, status)

  test('classify: chats as text and as messages', async () => {
    const input = [chatml(query, 'It is 5.'), chatml(query, 'nothing')]
    const answer = await post('/classify', { model: 'my-rm', input, use_activation: true })
    assert.match(answer.id, /^classify-[0-9a-f]{32}$/)
    assert.deepEqual([answer.object, answer.model, answer.data[0].label], ['list', 'my-rm', 'yes'])
    assert.ok(close(answer.data[0].probs[0], YES) && close(answer.data[0].probs[1], 2 / 9))
    assert.deepEqual(answer.data[1], { index: 1, label: null, probs: [], num_classes: 2 })
    assert.deepEqual(answer.usage, { prompt_tokens: 18, completion_tokens: 2, total_tokens: 20 })
    const messages = [{ role: 'user', content: query }, { role: 'assistant', content: 'It is 6.' }] // prettier-ignore
    assert.equal((await post('/classify', { messages })).data[0].label, 'no')
    for (const wrong of [[1, 2], [[1, 2]]])
      assert.equal((await post('/classify', { input: wrong }, 422)).error.param, 'input')
    assert.equal((await post('/classify', { input: 'plain' }, 422)).error.param, 'input')
    assert.equal((await post('/classify', {}, 422)).error.message, '`input` is missing; give it, or `messages`.')
  })

  test('what would be left out of what is judged is refused', async () => {
    const messages = [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x.example' } }, { type: 'text', text: 'What is it?' }] },
      { role: 'assistant', content: 'A 5.' },
    ] // prettier-ignore
    const image = await post('/classify', { messages }, 422)
    assert.match(image.error.message, /"image_url", and a judge of text cannot see any image/)
    const both = { input: chatml(query, 'It is 6.'), messages: [{ role: 'user', content: query }, { role: 'assistant', content: 'It is 5.' }] } // prettier-ignore
    assert.equal((await post('/classify', both, 422)).error.param, 'messages')
    const pairs = { queries: query, documents: ['5'], items: ['6'] }
    assert.equal((await post('/score', pairs, 422)).error.param, 'items')
    const shown = { query, documents: [{ text: '5', multi_modal: { image: 'x' } }] }
    assert.equal((await post('/rerank', shown, 400)).error.param, 'documents[0].multi_modal')
  })

  test('score: every name that pairs have had', async () => {
    const names = [['queries', 'documents'], ['queries', 'items'], ['data_1', 'data_2'], ['text_1', 'text_2']] as const // prettier-ignore
    for (const [a, b] of names) {
      for (const path of ['/score', '/v1/score']) {
        const { data } = await post(path, { model: 'm', [a]: query, [b]: documents })
        assert.deepEqual(data.map((d: { index: number }) => d.index), [0, 1, 2, 3]) // prettier-ignore
        assert.ok(close(data[0].score, 2 / 9) && close(data[1].score, YES))
        assert.deepEqual([data[2].score, data[3].score, data[0].object], [null, null, 'score'])
      }
    }
    const { data } = await post('/score', { queries: ['a', 'b'], documents: ['5', '6'] })
    assert.ok(data[0].score > 0.5 && data[1].score < 0.5)
    await post('/score', { queries: ['a', 'b'], documents: ['5'] }, 422)
    await post('/score', { queries: 'a' }, 422)
  })

  test('rerank: best first, without what has no score', async () => {
    for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
      const { results } = await post(path, { model: 'm', query, documents })
      assert.deepEqual(results.map((r: { index: number }) => r.index), [1, 0]) // prettier-ignore
      assert.deepEqual(results[0].document, { text: 'It is 5.' })
      assert.equal((await post(path, { query, documents, top_n: 1 })).results.length, 1)
    }
  })

  test('generative scoring: of the first id, normalised or not', async () => {
    const scoreOf = async (label_token_ids: number[], more: object = {}) =>
      (await post('/generative_scoring', { query, items: ['It is 5.'], label_token_ids, ...more })).data[0].score
    assert.ok(close(await scoreOf([9454, 2753]), YES))
    assert.ok(close(await scoreOf([7414, 2753]), YES))
    assert.ok(close(await scoreOf([2753, 9454]), 2 / 9))
    assert.ok(close(await scoreOf([9454, 2753], { apply_softmax: false }), 0.7))
    assert.ok(close(await scoreOf([2753, 9454], { apply_softmax: false }), 0.2))
  })

  test('generative scoring: what is no label, or what no one can tell, is refused', async () => {
    const refused = async (json: object, status: number, judge = 'j') => {
      const whole = { query, items: ['x'], label_token_ids: [9454, 2753], ...json }
      const { error } = await app.json(`/compat/vllm/${judge}/generative_scoring`, { json: whole }, status)
      return error
    }
    const stray = await refused({ label_token_ids: [9454, 5] }, 422)
    assert.equal(stray.param, 'label_token_ids[1]')
    assert.match(stray.message, /5 is no label of this judge: yes is 9454 or 7414, no is 2753/)
    assert.match((await refused({ label_token_ids: [9454, 7414] }, 422)).message, /both of the label yes/)
    assert.equal((await refused({ label_token_ids: [9454, 2753, 1] }, 400)).param, 'label_token_ids')
    assert.equal((await refused({ query: [1, 2] }, 422)).param, 'query')
    assert.equal((await refused({ item_first: true }, 400)).param, 'item_first')
    const unread = await refused({}, 422, 'unread')
    assert.deepEqual([unread.code, unread.param], ['unavailable_here', 'label_token_ids'])
    assert.match(unread.message, /"label_token_ids": \{"yes"/)
    assert.equal((await refused({}, 404, 'nobody')).param, 'judge')
  })

  test('generative scoring: a local judge knows its own ids', async () => {
    await app.json('/v1/models', { json: { name: 'm', source: { type: 'local', path: '/models/m' } } })
    const provider = { type: 'local', model: 'm' }
    await app.json('/v1/judges', { json: { name: 'here', provider } })
    const ask = async (label_token_ids: number[], status = 200) =>
      app.json(
        '/compat/vllm/here/generative_scoring',
        { json: { query, items: ['It is 5.'], label_token_ids } },
        status,
      )
    assert.ok(close((await ask([12, 11])).data[0].score, 2 / 9))
    assert.equal((await ask([9454, 2753], 422)).error.param, 'label_token_ids[0]')
    const label_token_ids = { yes: [1], no: [2] }
    const told = await app.json('/v1/judges', { json: { provider, label_token_ids } }, 422)
    assert.equal(told.error.param, 'label_token_ids')
    const both = { provider: { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }, label_token_ids: { yes: [1], no: [2, 1] } } // prettier-ignore
    assert.equal((await app.json('/v1/judges', { json: both }, 422)).error.param, 'label_token_ids')
  })
})

describe('SGLang', () => {
  const post = (path: string, json: object, status = 200) => app.json(`/compat/sglang/j/v1/${path}`, { json }, status)

  test('score, rerank, classify', async () => {
    const ids = { label_token_ids: [9454, 2753], model: 'm' }
    const { scores, object } = await post('score', { query, items: documents, ...ids })
    assert.equal(object, 'scoring')
    assert.ok(close(scores[1][0], 0.7) && close(scores[1][1], 0.2))
    assert.deepEqual(scores.slice(2), [[], []])
    assert.ok(close((await post('score', { query, items: documents, ...ids, apply_softmax: true })).scores[1][0], YES))
    const swapped = await post('score', { query, items: ['It is 5.'], label_token_ids: [2753, 9454] })
    assert.ok(close(swapped.scores[0][0], 0.2) && close(swapped.scores[0][1], 0.7))
    const stray = await post('score', { query, items: ['x'], label_token_ids: [2753, 1] }, 422)
    assert.deepEqual([stray.object, stray.param], ['error', 'label_token_ids[1]'])
    const ranked = await post('rerank', { query, documents, top_n: 1 })
    assert.ok(ranked.length === 1 && ranked[0].document === 'It is 5.' && close(ranked[0].score, YES))
    assert.equal((await post('rerank', { query, documents, return_documents: false }))[0].document, undefined)
    assert.equal((await post('classify', { input: chatml(query, 'It is 5.') })).data[0].label, 'yes')
  })

  test('decisions of every type, tempered, and what is not answered', async () => {
    const ask = async (input: unknown, more: object = {}) =>
      post('decisions', {
        model: 'm',
        input,
        questions: [
          { id: 'y', type: 'yes_no', question: 'The answer is right.', yes: 'exactly' },
          {
            id: 'c',
            type: 'choice',
            question: 'Which?',
            options: [{ name: 'red' }, { name: 'blue', description: 'sky' }],
          },
          { id: 's', type: 'score', question: 'How good?', levels: ['bad', 'fair', 'good'] },
        ],
        ...more,
      })
    const { answers, object, prompt_format_version } = await ask({ text: 'pick=1' })
    assert.deepEqual([object, prompt_format_version], ['decisions', 1])
    assert.ok(close(answers.y.probabilities.no, YES) && close(answers.y.label_mass, 0.9))
    assert.equal(answers.c.choice, 'blue')
    assert.ok(close(answers.s.score, 1) && close(answers.s.probabilities.fair, YES))
    const [, choice] = app.calls.at(-1)!
    assert.match(choice!, /A\. red\nB\. blue: sky\n\nReply with exactly one letter: A, B\./)
    const hot = await ask({ text: 'pick=1' }, { temperature: 2 })
    assert.ok(close(hot.answers.c.probabilities.blue, Math.sqrt(7) / (Math.sqrt(7) + Math.sqrt(2))))
    const silent = (await ask('nothing')).answers.c
    assert.deepEqual([silent.probabilities, silent.choice], [{}, undefined])
    assert.ok(close(silent.label_mass, 0.09))
    const error = await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'boom', questions: [{ id: 'y', type: 'yes_no', question: 'q' }] } }, 502) // prettier-ignore
    assert.deepEqual([error.object, error.code, error.param], ['error', 502, 'questions[0]'])
  })

  test('what would lose an answer, or would not be done, is refused by its name', async () => {
    const yesNo = { id: 'y', type: 'yes_no', question: 'q' }
    const choice = (...names: string[]) => ({ id: 'c', type: 'choice', question: 'q', options: names.map((name) => ({ name })) }) // prettier-ignore
    const levels = (...levels: unknown[]) => ({ id: 's', type: 'score', question: 'q', levels })
    for (const [json, param, status = 400] of [
      [{ input: 'x', questions: [yesNo, yesNo] }, 'questions', 422],
      [{ input: 'x', questions: [choice('red', 'red')] }, 'questions[0].options', 422],
      [{ input: 'x', questions: [levels(1, '1')] }, 'questions[0].levels', 422],
      [{ questions: [yesNo] }, 'input'],
      [{ input: null, questions: [yesNo] }, 'input'],
      [{ input: 7, questions: [yesNo] }, 'input'],
      [{ input: 'x', questions: [yesNo], prompt_format_version: 2 }, 'prompt_format_version'],
      [
        { input: 'x', questions: [yesNo], chat_template_kwargs: { enable_thinking: true } },
        'chat_template_kwargs.enable_thinking',
      ],
      [{ input: 'x', questions: [yesNo], chat_template_kwargs: { date: 'today' } }, 'chat_template_kwargs.date'],
      [{ input: 'x', questions: [yesNo], return_prompt_token_ids: true }, 'return_prompt_token_ids'],
    ] as [object, string, number?][]) {
      assert.equal((await post('decisions', json, status)).param, param)
    }
    const rerank = await post('rerank', { query, documents, instruct: 'Find the longest.' }, 400)
    assert.equal(rerank.param, 'instruct')
    assert.equal(
      (await post('classify', { input: chatml(query, 'It is 5.'), normalize: false }, 400)).param,
      'normalize',
    )
  })
})

test('vLLM and SGLang tell what their model is called', async () => {
  for (const server of ['vllm', 'sglang']) {
    const { object, data } = await app.json(`/compat/${server}/j/v1/models`)
    const [{ created, ...model }] = data
    assert.deepEqual([object, data.length, typeof created], ['list', 1, 'number'])
    assert.deepEqual(model, { id: 'j', object: 'model', owned_by: 'gavel' })
    await app.json(`/compat/${server}/nobody/v1/models`, {}, 404)
    assert.deepEqual(await app.json(`/compat/${server}/j/health`, { key: null }), {})
  }
})

describe('TEI', () => {
  const post = (path: string, json: object, status = 200) => app.json(`/compat/tei/j/${path}`, { json }, status)

  test('predict: one or many, text or pair', async () => {
    const one = await post('predict', { inputs: [query, 'It is 5.'] })
    assert.ok(one.length === 1 && one[0].label === 'yes' && close(one[0].score, YES))
    assert.ok(close((await post('predict', { inputs: chatml(query, 'It is 5.'), truncate: true }))[0].score, YES))
    assert.ok(close((await post('predict', { inputs: [chatml(query, 'It is 5.')] }))[0].score, YES))
    const many = await post('predict', { inputs: [[query, 'It is 5.'], [chatml(query, 'It is 6.')], [query, 'boom']] })
    assert.ok(close(many[0][0].score, YES) && close(many[1][0].score, 2 / 9))
    assert.deepEqual(many[2], [])
    assert.ok(close((await post('predict', { inputs: [query, 'It is 5.'], raw_scores: true }))[0].score, Math.log(3.5)))
  })

  test('rerank, info, health, and errors in its own form', async () => {
    const ranked = await post('rerank', { query, texts: documents, return_text: true })
    assert.deepEqual(ranked.map((r: { text: string }) => r.text), ['It is 5.', 'It is 6.']) // prettier-ignore
    assert.equal((await app.json('/compat/tei/j/info')).model_id, 'j')
    await app.json('/compat/tei/j/health', { key: null })
    const error = await post('rerank', { query }, 422)
    assert.deepEqual(Object.keys(error), ['error', 'error_type'])
    assert.equal(error.error_type, 'Validation')
    assert.equal((await post('predict', { inputs: 7 }, 422)).error_type, 'Validation')
    const many = await post('predict', { inputs: Array.from({ length: 4097 }, () => ['q', 'a']) }, 413)
    assert.equal(many.error_type, 'Validation')
    for (const [path, json] of [
      ['predict', { inputs: [query, 'boom'] }],
      ['rerank', { query, texts: ['boom', 'boom boom'] }],
    ] as const) {
      const failed = await post(path, json, 424)
      assert.equal(failed.error_type, 'Backend')
      assert.match(failed.error, /the provider answered 500/)
    }
    const long = await post('predict', { inputs: [query, 'endless'] }, 422)
    assert.equal(long.error_type, 'Validation')
    assert.match(long.error, /that is too long; shorten it/)
  })
})
