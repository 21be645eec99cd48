/** The exact requests of trainers, and what they get when the judge answers, abstains and fails. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chatml, close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const question = 'What is 2 + 3?'
const [right, refused, broken] = ['It is 5.', 'nothing to say, really', 'boom goes the judge']

describe('OpenRLHF', () => {
  const post = (query: string[], labels: unknown[], reward = 'both', status = 200) =>
    app.json(
      `/compat/openrlhf/${reward}`,
      { json: { query, prompts: query.map(() => chatml(question)), labels } },
      status,
    )

  test('one sample: prompt and control tokens are told from the answer', async () => {
    const answer = await post([chatml(question, `${right}<|im_end|>`)], ['5'])
    assert.ok(close(answer.rewards[0], (1 + YES) / 2))
    assert.deepEqual(answer.scores, answer.rewards)
    assert.deepEqual(answer.extra_logs, { scored: [1], abstained: [0], failed: [0], gated: [0] })
    assert.match(app.lastPrompt(), /Question:\nWhat is 2 \+ 3\?\n\n<student_answer>\nIt is 5\.\n<\/student_answer>/)
  })

  test('a judge that abstains or fails: the neutral value, and the flags say so', async () => {
    const answer = await post(
      [refused, broken, right].map((text) => chatml(question, text)),
      [null, '', null],
      'j',
    )
    assert.deepEqual(answer.rewards.slice(0, 2), [0.5, 0.5])
    assert.ok(close(answer.rewards[2], YES))
    assert.deepEqual(answer.extra_logs, {
      scored: [0, 0, 1],
      abstained: [1, 0, 0],
      failed: [0, 1, 0],
      gated: [0, 0, 0],
    })
    const query = [chatml(question, broken)]
    assert.deepEqual((await app.json('/compat/openrlhf/j?neutral=-2', { json: { query } })).rewards, [-2])
  })

  test('the prompt is where the query begins, but for control tokens; an empty one tells nothing', async () => {
    const asked = async (query: string, prompt: string) => {
      await app.json('/compat/openrlhf/j', { json: { query: [query], prompts: [prompt], labels: [null] } })
      return /Question:\n(.*)\n\n<student_answer>\n(.*)\n/.exec(app.lastPrompt())?.slice(1)
    }
    const answer = 'I say that it is 5, then.'
    assert.deepEqual(await asked(`<|begin_of_text|><s> 2 + 3? ${answer}`, '2 + 3?'), ['2 + 3?', answer])
    assert.deepEqual(await asked(chatml('2 + 4?', answer), ''), ['2 + 4?', answer])
    const json = { query: [`Is 2 + 3? ${answer}`], prompts: ['2 + 3?'], labels: [null] }
    assert.equal((await app.json('/compat/openrlhf/j', { json }, 422)).error.param, 'query[0]')
  })

  test('nothing to do is answered too', async () => {
    const answer = await app.json('/compat/openrlhf/both', { json: { query: [], prompts: [], labels: [] } })
    assert.deepEqual([answer.rewards, answer.scores], [[], []])
    // One of several URLs that got the sample's prompt, but not the sample.
    const rest = await app.json('/compat/openrlhf/both', { json: { query: [], prompts: ['x'], labels: ['5'] } })
    assert.deepEqual(rest.rewards, [])
  })

  test('what is wrong with the data is said', async () => {
    const gold = await post([chatml(question, right)], ['no number at all'], 'both', 422)
    assert.equal(gold.error.param, 'labels[0]')
    assert.match(gold.error.message, /^`?labels\[0\]/)
    assert.equal((await post([chatml(question, right)], [{ a: 1 }], 'both', 422)).error.param, 'labels[0]')
    assert.equal((await post(['x'], ['5', '6'], 'both', 422)).error.param, 'labels')
    assert.equal((await post(['no turns'], ['5'], 'both', 422)).error.param, 'query[0]')
    assert.match((await post([], [], 'nobody', 404)).error.message, /no reward recipe and no judge "nobody"/)
  })
})

test('a gold answer that JSON has already rounded is refused', async () => {
  const json = `{"prompt": ${JSON.stringify(question)}, "response": "It is 12345678901234567890.", "label": 12345678901234567890}`
  const body = { method: 'POST', body: json, headers: { 'content-type': 'application/json' } }
  const { error } = await app.json('/compat/slime/both', body, 422)
  assert.equal(error.param, 'label')
  assert.match(error.message, /more digits than JSON's numbers keep.*send it as text/)
  const text = { prompt: question, response: 'It is 12345678901234567890.', label: '12345678901234567890' }
  assert.ok((await app.json('/compat/slime/both', { json: text })) > 0.5)
})

test('a gold answer that nothing is compared with may be any JSON; a judge is shown it for reference', async () => {
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  await app.json('/v1/judges', { json: { name: 'ref', provider, template: 'answer-correctness-with-reference' } })
  const json = { prompt: question, response: right, label: { compliant: 'No', why: ['a', 'b'] } }
  assert.ok(close(await app.json('/compat/slime/ref', { json }), YES))
  assert.match(app.calls.at(-1)!.join(''), /is right:\n\{"compliant":"No","why":\["a","b"\]\}/)
  const { error } = await app.json('/compat/slime/both', { json }, 422)
  assert.match(error.message, /`label` must be the gold answer, which a verifier can compare with/)
  // As AWS's own page has it.
  const { label: reference_answer, response: content, prompt } = json
  const messages = [{ role: 'user', content: prompt }, { role: 'assistant', content }] // prettier-ignore
  const row = (metadata: object) => ({ id: 1, messages, metadata })
  const [rewarded] = await app.json('/compat/aws-lambda/ref', { json: [row({ reference_answer })] })
  assert.equal(rewarded.id, '1')
  assert.ok(close(rewarded.aggregate_reward_score, YES))
  const [verified] = await app.json('/compat/aws-lambda/both', { json: [row({ reference_answer: 5 })] })
  assert.ok(close(verified.aggregate_reward_score, (1 + YES) / 2))
  const unlike = await app.json('/compat/aws-lambda/both', { json: [row({ reference_answer })] }, 422)
  assert.equal(unlike.error.param, '[0].metadata.reference_answer')
  const noId = await app.json('/compat/aws-lambda/both', { json: [{ messages }] }, 400)
  assert.equal(noId.error.param, '[0].id')
})

test('a rollout of half a million characters is rewarded like any other', async () => {
  const response = `${'Wait, let me see. '.repeat(30_000)}It is 5.`
  const prompts = [chatml(question)]
  const query = [prompts[0] + response]
  const { rewards } = await app.json('/compat/openrlhf/both', { json: { query, prompts, labels: ['5'] } })
  assert.ok(close(rewards[0], (1 + YES) / 2))
  // `--rm-url` may be written with a slash at its end.
  const slime = await app.json('/compat/slime/both/', { json: { prompt: question, response, label: '5' } })
  assert.ok(close(slime, (1 + YES) / 2))
  assert.ok(close((await app.json('/compat/llama-factory/j', { json: { messages: query } })).scores[0], YES))
})

test('slime: a prompt that has been through a chat template, and a response as decoded', async () => {
  const json = { prompt: chatml('What is 1 + 4?'), response: 'It is 5.<|im_end|>', label: null }
  await app.json('/compat/slime/j', { json })
  const asked = app.calls.at(-1)!.join('')
  assert.match(asked, /Question:\nWhat is 1 \+ 4\?\n\n<student_answer>\nIt is 5\.\n<\/student_answer>/)
})

test('slime: a bare number, or an object where the URL names a key', async () => {
  const json = { prompt: [{ role: 'user', content: question }], response: right, label: 5 }
  assert.ok(close(await app.json('/compat/slime/both', { json }), (1 + YES) / 2))
  const keyed = await app.json('/compat/slime/j?reward_key=score', {
    json: { prompt: question, response: right, label: null },
  })
  assert.ok(close(keyed.score, YES))
  assert.deepEqual([keyed.outcome, keyed.reason], ['scored', null])
  const failed = { prompt: question, response: broken, label: null }
  assert.equal(await app.json('/compat/slime/j', { json: failed }), 0.5)
  const { outcome, reason, r } = await app.json('/compat/slime/j?reward_key=r', { json: failed })
  assert.deepEqual([outcome, r], ['failed', 0.5])
  assert.match(reason, /the provider answered 500/)
})

describe('NeMo-Gym', () => {
  const base = '/compat/nemo-gym/both'
  const verify = (text: string, more: object = {}, response: object = {}) =>
    app.json(`${base}/verify`, {
      json: {
        responses_create_params: { input: [{ role: 'user', content: question }], temperature: 1 },
        response: {
          id: 'resp_1',
          output: [
            { type: 'reasoning', summary: [] },
            { type: 'message', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] },
          ],
          ...response,
        },
        uuid: 'u-1',
        ...more,
      },
    })

  test('what was sent comes back with the reward and its parts', async () => {
    const answer = await verify(right, { expected_answer: '5' })
    assert.ok(close(answer.reward, (1 + YES) / 2))
    assert.deepEqual([answer.uuid, answer.response.id, answer.mask_sample], ['u-1', 'resp_1', false])
    assert.equal(answer.responses_create_params.temperature, 1)
    assert.ok(close(answer.reward_components.judge_reward, YES) && answer.verifier_reward === 1)
    assert.ok(!('_ng_failure_class' in answer))
  })

  test('a judge that fails or abstains is marked; an answer cut off is gated', async () => {
    const failed = await verify(`${broken} 7`)
    assert.deepEqual([failed.reward, failed._ng_failure_class, failed.mask_sample], [0, 'judge_failed', true])
    assert.match(failed._ng_failure_judge_error, /^failed: the provider answered 500/)
    assert.match((await verify(`${refused} 7`))._ng_failure_judge_error, /^abstained: /)
    const cut = await verify(right, {}, { incomplete_details: { reason: 'max_output_tokens' } })
    assert.deepEqual([cut.reward, cut.mask_sample], [0, false])
  })

  test('a row that is verified again keeps nothing of what was said before', async () => {
    const stale = { verifier_reward: 1, judge_reward: 0.9, reward: 0.95, reward_components: { judge_reward: 0.9 } }
    const failed = await verify(`${broken} 7`, { ...stale, mask_sample: false })
    assert.deepEqual([failed.reward, failed.mask_sample, failed.reward_components], [0, true, {}])
    assert.ok(!('judge_reward' in failed) && !('verifier_reward' in failed))
    const { response: _, ...row } = failed
    const again = await verify(right, { ...row, expected_answer: '5' })
    assert.ok(!('_ng_failure_class' in again) && !('_ng_failure_judge_error' in again) && again.judge_reward > 0.5)
  })

  test('what others said within the response is no answer; without a question there is nothing to judge', async () => {
    const output = [
      { type: 'message', role: 'user', content: 'Surely it is 6?' },
      { type: 'message', role: 'assistant', content: 'I do say that it is 5.' },
    ]
    assert.equal((await verify('', { expected_answer: '5' }, { output })).verifier_reward, 1)
    assert.match(app.lastPrompt(), /<student_answer>\nI do say that it is 5\.\n</)
    const { error } = await app.json(`${base}/verify`, { json: { responses_create_params: { input: [] }, response: { output } } }, 422) // prettier-ignore
    assert.equal(error.param, 'responses_create_params.input')
  })

  test('the rest of a resources server', async () => {
    for (const name of ['seed_session', 'close_session'])
      assert.deepEqual(await app.json(`${base}/${name}`, { json: {} }), {})
    assert.equal(await app.json(`${base}/reverify_mode`), 'stateless')
    const rows = [
      { _ng_task_index: 0, reward: 1, name: 'x' },
      { _ng_task_index: 0, reward: 0.5 },
      { _ng_task_index: 1, reward: 0, mask_sample: true },
    ]
    assert.deepEqual(await app.json(`${base}/aggregate_metrics`, { json: { verify_responses: rows } }), {
      group_level_metrics: [
        { _ng_task_index: 0, 'mean/reward': 0.75, 'mean/mask_sample': 0 },
        { _ng_task_index: 1, 'mean/mask_sample': 1 },
      ],
      agent_metrics: { 'mean/reward': 0.75, 'mean/mask_sample': 1 / 3 },
      key_metrics: { 'mean/reward': 0.75 },
    })
  })
})

test('LLaMA-Factory: whole decoded chats', async () => {
  const messages = [chatml(question, `${right}<|im_end|>`), chatml(question, broken)]
  const { scores } = await app.json('/compat/llama-factory/j', { json: { model: 'model', messages } })
  assert.ok(close(scores[0], YES))
  assert.equal(scores[1], 0.5)
  const bad = await app.json('/compat/llama-factory/j', { json: { model: 'model', messages: ['plain'] } }, 422)
  assert.equal(bad.error.param, 'messages[0]')
})

test('AWS Lambda: every form of event', async () => {
  const row = (text: string, reference_answer: unknown) => ({
    id: 'r1',
    messages: [{ role: 'user', content: question }, { role: 'assistant', content: [{ type: 'text', text }] }],
    reference_answer,
    metadata: { anything: [] },
  }) // prettier-ignore
  const rows = [row(right, { answer: 5 })]
  const expected = [
    {
      id: 'r1',
      aggregate_reward_score: (1 + YES) / 2,
      metrics_list: [
        { name: 'verifier', value: 1, type: 'Reward' },
        { name: 'judge', value: YES, type: 'Reward' },
        { name: 'unscored', value: 0, type: 'Metric' },
      ],
    },
  ]
  const rounded = (value: unknown) =>
    JSON.parse(JSON.stringify(value), (_, x) => (typeof x === 'number' ? +x.toFixed(9) : x))
  for (const json of [rows, { batch: rows }, { input: rows }, { input: rows[0] }]) {
    assert.deepEqual(rounded(await app.json('/compat/aws-lambda/both', { json })), rounded(expected))
  }
  const wrapped = await app.json('/compat/aws-lambda/both', { json: { body: JSON.stringify({ batch: rows }) } })
  assert.equal(wrapped.statusCode, 200)
  assert.deepEqual(rounded(JSON.parse(wrapped.body)), rounded(expected))
  const [failed] = await app.json('/compat/aws-lambda/j', { json: [row(broken, null)] })
  assert.deepEqual(
    [failed.aggregate_reward_score, failed.metrics_list],
    [0.5, [{ name: 'unscored', value: 1, type: 'Metric' }]],
  )
  await app.json('/compat/aws-lambda/j', { json: { body: '{' } }, 422)
  const noAnswer = [{ id: 'r', messages: [{ role: 'user', content: 'x' }] }]
  await app.json('/compat/aws-lambda/j', { json: noAnswer }, 422)
})

describe('TRL', () => {
  test('texts and conversations, with columns; null where there is no score', async () => {
    const { results } = await app.json('/compat/trl/both', {
      json: {
        prompts: [question, [{ role: 'user', content: question }], question, question],
        completions: [right, [{ role: 'assistant', content: right }], `${broken} 7`, `${refused} 7`],
        columns: { answer: ['5', '6', null, ''], level: [1, 2, 3, 4] },
      },
    })
    assert.ok(close(results[0].reward, (1 + YES) / 2) && close(results[1].reward, (0.1 + YES) / 2))
    assert.deepEqual(
      results.map(({ reward }: { reward: number | null }) => reward === null),
      [false, false, true, true],
    )
    assert.deepEqual([results[2].outcome, results[3].outcome, results[2].p], ['failed', 'abstained', null])
    assert.ok(close(results[0].p, YES) && close(results[1].p, YES))
    assert.match(results[2].reason, /500/)
  })

  test('an answer that was cut off does not pass the gate', async () => {
    const json = { prompts: Array(4).fill(question), completions: Array(4).fill(right), columns: { answer: Array(4).fill(['5']) } } // prettier-ignore
    const post = (finish_reasons: unknown, status = 200) =>
      app.json('/compat/trl/both', { json: { ...json, finish_reasons } }, status)
    const { results } = await post(['stop', 'length', null, 'length'])
    assert.deepEqual(results.map(({ reward }: { reward: number }) => reward > 0.5), [true, false, true, false]) // prettier-ignore
    assert.deepEqual([results[1].reward, results[1].reason], [0, 'gated'])
    assert.deepEqual((await post(null)).results.length, 4)
    assert.equal((await post(['stop'], 422)).error.param, 'finish_reasons')
    await post(['stop', 'eos', null, null], 400)
  })

  test('the column of gold answers may have another name', async () => {
    const json = { prompts: [question], completions: [right], columns: { solution: ['6'] } }
    assert.ok(close((await app.json('/compat/trl/both?answer=solution', { json })).results[0].reward, (0.1 + YES) / 2))
    assert.ok(close((await app.json('/compat/trl/both', { json })).results[0].reward, YES))
    // What every object has is no column.
    for (const name of ['gold', 'hasOwnProperty']) {
      const { error } = await app.json(`/compat/trl/both?answer=${name}`, { json }, 422)
      assert.equal(error.param, `columns.${name}`)
      assert.match(error.message, /^`columns` has no "/)
    }
    assert.equal(
      (await app.json('/compat/trl/both', { json: { ...json, completions: [] } }, 422)).error.param,
      'completions',
    )
  })
})

describe('clients of one sample a request', () => {
  test('are judged together, answers to one question side by side, each with its own', async () => {
    const texts = Array.from({ length: 24 }, (_, i) => ({
      question: `Question ${i % 3}: what is it?`,
      answer: `It is number ${i}.`,
    }))
    app.calls.length = 0
    const rewards = await Promise.all(
      texts.map(({ question, answer }) =>
        app.json('/compat/slime/j', { json: { prompt: question, response: answer, label: null } }),
      ),
    )
    rewards.forEach((reward, i) =>
      assert.ok(close(reward, texts[i]!.answer.includes('5') ? YES : 2 / 9), `${i}: ${reward}`),
    )
    assert.equal(app.calls.flat().length, 24)
    assert.ok(app.calls.length <= 6, `${app.calls.length} calls`)
    const order = app.calls.map((call) => call.map((prompt) => Number(/Question (\d):/.exec(prompt)![1])))
    for (const call of order) assert.deepEqual(call, call.toSorted())
  })

  test('one whose judge is missing or whose gold is wrong spoils nobody', async () => {
    const good = app.json('/compat/slime/both', { json: { prompt: 'Together?', response: right, label: '5' } })
    const bad = app.json(
      '/compat/slime/both',
      { json: { prompt: 'Together?', response: right, label: 'no number at all' } },
      422,
    )
    await app.json('/compat/slime/nobody', { json: { prompt: 'Together?', response: right } }, 404)
    assert.ok(close(await good, (1 + YES) / 2))
    assert.equal((await bad).error.param, 'label')
  })
})

describe('a key in the URL', () => {
  const json = { prompt: question, response: right, label: '5' }

  test('is taken where it was made for that, and until it is revoked', async () => {
    const { id, key, path_token } = await app.json('/v1/keys', { json: { scopes: ['judge'], path_token: true } })
    assert.equal(path_token, true)
    const path = `/t/${key}/compat/slime/both`
    assert.ok(close(await app.json(path, { json, key: null }), (1 + YES) / 2))
    await app.json('/compat/slime/both', { json, key })
    await app.json(`/t/${key}/v1/judges`, { key: null }, 404)
    const stray = await app.json(`/t/${key}/compat/nothing`, { json, key: null }, 404)
    assert.ok(!JSON.stringify(stray).includes(key))
    const put = await app.json(path, { json, key: null, method: 'PUT' }, 405)
    assert.ok(!JSON.stringify(put).includes(key))
    await app.json(`/v1/keys/${id}`, { method: 'DELETE' })
    assert.match((await app.json(path, { json, key: null }, 401)).error.message, /unknown, revoked, or not made/)
  })

  test('no other key is', async () => {
    const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'] } })
    for (const token of [key, 'admin-key', 'x']) {
      // A key in the header does not make up for it.
      await app.json(`/t/${token}/compat/slime/both`, { json }, 401)
    }
    const refused = await app.json('/v1/keys', { json: { scopes: ['judge', 'data'], path_token: true } }, 422)
    assert.equal(refused.error.param, 'scopes')
    await app.json('/compat/slime/both', { json, key: null }, 401)
  })
})
