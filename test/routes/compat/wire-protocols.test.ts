/**
 * Every request that other people's trainers, servers and SDKs are known to send, with all fields that they may have, and
 * the exact form of what they read. What is not served is refused in words.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as v from 'valibot'
import { chatml, compatApp, type CompatApp } from './compat-app.ts'

let app: CompatApp
/** Below this path no header is needed. */
let token = ''
before(async () => {
  app = await compatApp()
  const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'], path_token: true } })
  token = `/t/${key}`
})
after(() => {
  assert.deepEqual(app.errors, [])
  app.close()
})

/** What a client sends and, as a schema without room for more, what it reads. */
interface Served {
  path: string
  body?: unknown
  answer: v.GenericSchema
}
/** What is refused, with which status, and what the message says. */
interface Refused {
  path: string
  body?: unknown
  status: number
  says: RegExp
  form?: v.GenericSchema
}

const { strictObject: exactly, array, number, string, literal, nullable, record, boolean } = v
const strings = record(string(), number())
const p = v.pipe(number(), v.minValue(0), v.maxValue(1))
const of = (...names: string[]) => exactly(Object.fromEntries(names.map((name) => [name, p])))

const OPENAI_ERROR = exactly({
  error: exactly({ message: string(), type: string(), code: string(), param: nullable(string()) }),
})
const VLLM_USAGE = exactly({ prompt_tokens: number(), completion_tokens: number(), total_tokens: number() })
const NOT_HERE = { status: 404, says: /There is nothing at POST .* GET \/docs lists what there is/ }

const question = 'What is 2 + 3?'
const chat = chatml(question, 'It is 5.<|im_end|>')
const messages = [
  { role: 'user', content: question },
  { role: 'assistant', content: 'It is 5.' },
]

function replay(served: Record<string, Served>, refused: Record<string, Refused> = {}): void {
  for (const [name, { path, body, answer }] of Object.entries(served)) {
    test(name, async () => {
      const got = await app.json(path, body === undefined ? {} : { json: body })
      const read = v.safeParse(answer, got)
      if (read.success) return
      const [issue] = read.issues
      assert.fail(`${v.getDotPath(issue)}: ${issue.message} in ${JSON.stringify(got)}`)
    })
  }
  for (const [name, { path, body, status, says, form = OPENAI_ERROR }] of Object.entries(refused)) {
    test(`${name}: refused`, async () => {
      const got = await app.json(path, body === undefined ? {} : { json: body }, status)
      assert.ok(v.is(form, got), JSON.stringify(got))
      assert.match(JSON.stringify(got), says)
    })
  }
}

/** The same, where the key has to stand in the URL: it is known only when the tests run. */
function withoutHeaders(name: string, path: string, body: unknown, answer: v.GenericSchema): void {
  test(name, async () => {
    const got = await app.json(token + path, { json: body, key: null })
    assert.ok(v.is(answer, got), JSON.stringify(got))
  })
}

describe('OpenRLHF', () => {
  const ones = v.pipe(array(number()), v.length(1))
  const none = v.pipe(array(number()), v.length(0))
  const form = (numbers: v.GenericSchema) =>
    exactly({ rewards: numbers, scores: numbers, extra_logs: record(string(), numbers) })
  withoutHeaders(
    'one sample',
    '/compat/openrlhf/both',
    { query: [chat], prompts: [chatml(question)], labels: ['5'] },
    form(ones),
  )
  withoutHeaders(
    'nothing to do, of several URLs',
    '/compat/openrlhf/both',
    { query: [], prompts: [], labels: [] },
    form(none),
  )
})

describe('slime', () => {
  const sample = { prompt: question, response: 'It is 5.', label: '5' }
  withoutHeaders('a text: the answer is the reward', '/compat/slime/both', sample, number())
  withoutHeaders(
    'messages',
    '/compat/slime/both',
    { ...sample, prompt: [{ role: 'user', content: question }], label: null },
    number(),
  )
  const keyed = exactly({ score: number(), outcome: string(), reason: nullable(string()) })
  withoutHeaders('with --reward-key score', '/compat/slime/both?reward_key=score', sample, keyed)
})

describe('LLaMA-Factory', () => {
  const body = { model: 'model', messages: [chat, chat] }
  withoutHeaders('decoded texts', '/compat/llama-factory/j', body, exactly({ scores: v.tuple([number(), number()]) }))
})

describe('NeMo-Gym', () => {
  const base = '/compat/nemo-gym/both'
  const responses_create_params = {
    input: [{ role: 'user', content: question, type: 'message' }],
    instructions: 'Be brief.',
    temperature: 1,
    max_output_tokens: 64,
    tools: [],
  }
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model: 'm',
    output: [
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'It is 5.', annotations: [] }],
      },
    ],
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
  }
  const dataset = { expected_answer: '5', options: [{ A: '5' }], metadata: { level: 1 }, uuid: 'u' }
  const echoed = {
    responses_create_params: v.looseObject({ temperature: literal(1) }),
    response: v.looseObject({ id: literal('resp_1') }),
    options: array(v.unknown()),
    metadata: v.unknown(),
    uuid: literal('u'),
    mask_sample: boolean(),
  }
  replay({
    seed_session: { path: `${base}/seed_session`, body: {}, answer: exactly({}) },
    verify: {
      path: `${base}/verify`,
      body: { responses_create_params, response, ...dataset },
      answer: exactly({
        ...echoed,
        expected_answer: literal('5'),
        reward: number(),
        reward_components: exactly({ verifier_reward: number(), judge_reward: number() }),
        verifier_reward: number(),
        judge_reward: number(),
      }),
    },
    'verify, of a judge that fails': {
      path: '/compat/nemo-gym/j/verify',
      body: { responses_create_params: { input: 'boom' }, response, ...dataset, expected_answer: null },
      answer: exactly({
        ...echoed,
        responses_create_params: v.looseObject({ input: literal('boom') }),
        expected_answer: v.null(),
        reward: literal(0),
        reward_components: exactly({}),
        _ng_failure_class: literal('judge_failed'),
        _ng_failure_judge_error: string(),
      }),
    },
    aggregate_metrics: {
      path: `${base}/aggregate_metrics`,
      body: { verify_responses: [{ reward: 1, _ng_task_index: 0, _ng_rollout_index: 0 }] },
      answer: v.looseObject({ agent_metrics: strings, key_metrics: strings }),
    },
    reverify_mode: { path: `${base}/reverify_mode`, answer: v.picklist(['stateless', 'unsupported', 'unknown']) },
  })
})

describe('trainers that call Python (TRL, verl, ms-swift, SkyRL, AReaL)', () => {
  const result = exactly({ reward: nullable(number()), p: nullable(p), outcome: string(), reason: nullable(string()) })
  replay(
    {
      'a batch with its columns': {
        path: '/compat/trl/both',
        body: {
          prompts: [question, [{ role: 'user', content: question }]],
          completions: ['It is 5.', [{ role: 'assistant', content: 'boom' }]],
          columns: { answer: ['5', null], level: [1, 2] },
        },
        answer: exactly({ results: v.tuple([result, result]) }),
      },
    },
    {
      'AReaL pushes rewards to its own gateway': {
        path: '/rl/set_reward',
        body: { reward: 1, interaction_id: 'i' },
        ...NOT_HERE,
      },
      'AReaL, sessions': { path: '/rl/start_session', body: {}, ...NOT_HERE },
      'ms-swift generates elsewhere': { path: '/infer/', body: {}, ...NOT_HERE },
      "verl's GenRM, verifiers' reference and rubric judges chat with `gavel serve`": {
        path: '/v1/chat/completions',
        body: { model: 'j', messages },
        ...NOT_HERE,
      },
    },
  )
})

describe('verifiers: the decision judge', () => {
  const levels = ['wrong', 'partly', 'right']
  const state = { question, response: 'It is 5.' }
  const answer = exactly({
    model: literal('j'),
    answers: exactly({
      grade: exactly({
        type: literal('score'),
        score: v.pipe(number(), v.minValue(0), v.maxValue(levels.length - 1)),
        probabilities: of('0', '1', '2'),
        legend: record(string(), string()),
        confidence: p,
      }),
    }),
    usage: exactly({ input_tokens: number(), output_tokens: literal(0) }),
  })
  const questions = { grade: { type: 'score', instructions: 'Grade the response.', criteria: levels } }
  replay({
    'without an answer': { path: '/v1/systemone', body: { model: 'j', state, questions }, answer },
    'with an answer': {
      path: '/v1/systemone',
      body: { model: 'j', state: { ...state, answer: '5' }, questions },
      answer,
    },
  })
})

describe('AWS Lambda', () => {
  const rows = [
    { id: 'a', messages, reference_answer: '5' },
    { id: 'b', messages, reference_answer: { answer: 5 }, metadata: { level: 1 } },
  ]
  const graded = exactly({
    id: string(),
    aggregate_reward_score: number(),
    metrics_list: array(exactly({ name: string(), value: number(), type: v.picklist(['Reward', 'Metric']) })),
  })
  const path = '/compat/aws-lambda/both'
  const inText = v.pipe(string(), v.parseJson(), v.tuple([graded, graded]))
  replay({
    'a bare list': { path, body: rows, answer: v.tuple([graded, graded]) },
    'a batch': { path, body: { batch: rows }, answer: v.tuple([graded, graded]) },
    'an input': { path, body: { input: rows }, answer: v.tuple([graded, graded]) },
    'a body, for evaluation': {
      path,
      body: { body: JSON.stringify(rows) },
      answer: exactly({ statusCode: literal(200), body: inText }),
    },
  })
})

describe('vLLM', () => {
  const base = '/compat/vllm/j'
  const common = {
    model: 'm',
    user: 'u',
    add_special_tokens: true,
    truncate_prompt_tokens: -1,
    truncation_side: 'left',
    padding: true,
    request_id: 'r',
    priority: 0,
    mm_processor_kwargs: null,
    cache_salt: 'salt',
    use_activation: true,
  }
  const list = (id: RegExp, item: v.GenericSchema) =>
    exactly({
      id: v.pipe(string(), v.regex(id)),
      object: literal('list'),
      created: number(),
      model: literal('m'),
      data: v.pipe(array(item), v.minLength(1)),
      usage: VLLM_USAGE,
    })
  const classified = list(
    /^classify-/,
    exactly({ index: number(), label: nullable(string()), probs: array(p), num_classes: literal(2) }),
  )
  const scored = list(/^embd-/, exactly({ index: number(), object: literal('score'), score: p }))
  const reranked = exactly({
    id: string(),
    model: literal('m'),
    usage: exactly({ prompt_tokens: number(), total_tokens: number() }),
    results: array(exactly({ index: number(), document: exactly({ text: string() }), relevance_score: p })),
  })
  const texts = ['It is 5.', 'It is 6.']
  const generative = {
    ...common,
    query: question,
    items: texts,
    label_token_ids: [9454, 2753],
    apply_softmax: true,
    item_first: false,
  }
  const generated = list(/^generative-scoring-/, exactly({ index: number(), object: literal('score'), score: p }))
  const ids = { status: 422, says: /holds token ids, which this server cannot read; send the text/ }
  replay(
    {
      'classify a text': { path: `${base}/classify`, body: { ...common, input: chat }, answer: classified },
      'classify texts': { path: `${base}/classify`, body: { ...common, input: [chat, chat] }, answer: classified },
      'classify, truncated': {
        path: `${base}/classify`,
        body: { ...common, input: [chat], truncate_prompt_tokens: 512 },
        answer: classified,
      },
      'classify messages': { path: `${base}/classify`, body: { ...common, messages }, answer: classified },
      ...Object.fromEntries(
        (
          [
            ['queries', 'documents'],
            ['queries', 'items'],
            ['data_1', 'data_2'],
            ['text_1', 'text_2'],
          ] as const
        ).flatMap(([one, other]) =>
          ['/score', '/v1/score'].map((path) => [
            `${path} of ${one} and ${other}`,
            { path: base + path, body: { ...common, [one]: question, [other]: texts }, answer: scored },
          ]),
        ),
      ),
      ...Object.fromEntries(
        ['/rerank', '/v1/rerank', '/v2/rerank'].map((path) => [
          path,
          {
            path: base + path,
            body: { ...common, query: question, documents: [texts[0], { text: texts[1] }], top_n: 0 },
            answer: reranked,
          },
        ]),
      ),
      'generative scoring': { path: `${base}/generative_scoring`, body: generative, answer: generated },
      'generative scoring of one item': {
        path: `${base}/generative_scoring`,
        body: { ...generative, items: 'It is 5.' },
        answer: generated,
      },
    },
    {
      'classify ids': { path: `${base}/classify`, body: { ...common, input: [1, 2] }, ...ids },
      'classify lists of ids': { path: `${base}/classify`, body: { ...common, input: [[1, 2], [3]] }, ...ids },
      'generative scoring of ids': {
        path: `${base}/generative_scoring`,
        body: { ...generative, items: [[1, 2], [3]] },
        ...ids,
      },
      'generative scoring after ids': {
        path: `${base}/generative_scoring`,
        body: { ...generative, query: [1, 2] },
        ...ids,
      },
      'generative scoring, item first': {
        path: `${base}/generative_scoring`,
        body: { ...generative, item_first: true },
        status: 400,
        says: /`item_first` must be false/,
      },
      'removed parameters': {
        path: `${base}/classify`,
        body: { ...common, input: chat, normalize: true },
        status: 400,
        says: /`normalize` was removed by vLLM/,
      },
      logits: {
        path: `${base}/classify`,
        body: { ...common, input: chat, use_activation: false },
        status: 400,
        says: /a judge gives probabilities, not logits/,
      },
      pooling: {
        path: `${base}/pooling`,
        body: { input: [chat], task: 'classify', dimensions: null, encoding_format: 'float' },
        ...NOT_HERE,
      },
    },
  )
})

describe('SGLang', () => {
  const base = '/compat/sglang/j'
  const form = exactly({
    object: literal('error'),
    message: string(),
    type: string(),
    param: nullable(string()),
    code: number(),
  })
  const texts = ['It is 5.', 'It is 6.']
  const score = {
    query: question,
    items: texts,
    label_token_ids: [9454, 2753],
    apply_softmax: false,
    item_first: false,
    model: 'm',
  }
  const pair = v.tuple([p, p])
  const decisions = {
    input: { question, answer: 'It is 5.' },
    questions: [
      {
        id: 'c',
        type: 'choice',
        question: 'Which?',
        options: [{ name: 'red' }, { name: 'blue', description: 'the sky' }],
      },
      { id: 's', type: 'score', question: 'How good?', levels: ['bad', 'fair', 'good'] },
      { id: 'y', type: 'yes_no', question: 'Is it right?', yes: 'it is', no: 'it is not' },
    ],
    temperature: 1,
    chat_template_kwargs: { enable_thinking: false },
    prompt_format_version: 1,
    return_prompt_token_ids: false,
    model: 'm',
  }
  const decided = exactly({
    object: literal('decisions'),
    model: literal('m'),
    prompt_format_version: literal(1),
    answers: exactly({
      c: exactly({ type: literal('choice'), probabilities: of('red', 'blue'), label_mass: p, choice: string() }),
      s: exactly({ type: literal('score'), probabilities: of('bad', 'fair', 'good'), label_mass: p, score: number() }),
      y: exactly({ type: literal('yes_no'), probabilities: of('yes', 'no'), label_mass: p }),
    }),
    usage: VLLM_USAGE,
  })
  const path = `${base}/v1/decisions`
  replay(
    {
      score: {
        path: `${base}/v1/score`,
        body: score,
        answer: exactly({
          scores: v.tuple([pair, pair]),
          model: literal('m'),
          usage: VLLM_USAGE,
          object: literal('scoring'),
        }),
      },
      classify: {
        path: `${base}/v1/classify`,
        body: { model: 'm', input: [chat] },
        answer: v.looseObject({
          data: v.tuple([exactly({ index: number(), label: string(), probs: pair, num_classes: literal(2) })]),
        }),
      },
      rerank: {
        path: `${base}/v1/rerank`,
        body: { query: question, documents: texts, top_n: 1, return_documents: true },
        answer: v.tuple([exactly({ score: p, document: string(), index: number() })]),
      },
      'decisions about an object': { path, body: decisions, answer: decided },
      'decisions about a text': { path, body: { ...decisions, input: 'It is 5.' }, answer: decided },
      'decisions about a list': { path, body: { ...decisions, input: [messages[0], 'It is 5.'] }, answer: decided },
    },
    {
      'ids of items': {
        path: `${base}/v1/score`,
        body: { ...score, items: [[1, 2]] },
        status: 422,
        says: /token ids/,
        form,
      },
      'rerank by an instruction': {
        path: `${base}/v1/rerank`,
        body: { query: question, documents: texts, instruct: 'The longest.' },
        status: 400,
        says: /`instruct` must be left out/,
        form,
      },
      'another version of the prompt': {
        path,
        body: { ...decisions, prompt_format_version: 2 },
        status: 400,
        says: /must be 1/,
        form,
      },
      'ids of the prompt': {
        path,
        body: { ...decisions, return_prompt_token_ids: true },
        status: 400,
        says: /must be false/,
        form,
      },
      thinking: {
        path,
        body: { ...decisions, chat_template_kwargs: { enable_thinking: true } },
        status: 400,
        says: /without thinking/,
        form,
      },
      '27 options': {
        path,
        body: {
          ...decisions,
          questions: [
            {
              id: 'c',
              type: 'choice',
              question: 'q',
              options: Array.from({ length: 27 }, (_, i) => ({ name: String(i) })),
            },
          ],
        },
        status: 400,
        says: /questions\[0\]\.options/,
        form,
      },
      'the native classify': { path: `${base}/classify`, body: { model: 'm', text: [chat] }, ...NOT_HERE },
    },
  )
})

describe('TEI', () => {
  const base = '/compat/tei/j'
  const form = exactly({ error: string(), error_type: string() })
  const options = { raw_scores: false, truncate: false, truncation_direction: 'Right' }
  const one = v.tuple([exactly({ score: p, label: string() })])
  replay(
    {
      'predict a text': { path: `${base}/predict`, body: { inputs: chat, ...options }, answer: one },
      'predict a pair': { path: `${base}/predict`, body: { inputs: [question, 'It is 5.'], ...options }, answer: one },
      'predict a batch': {
        path: `${base}/predict`,
        body: { inputs: [[chat], [question, 'It is 5.']], ...options },
        answer: v.tuple([one, one]),
      },
      'predict raw scores': {
        path: `${base}/predict`,
        body: { inputs: [question, 'It is 5.'], raw_scores: true, truncate: true, truncation_direction: 'Left' },
        answer: v.tuple([exactly({ score: v.pipe(number(), v.minValue(1)), label: string() })]),
      },
      rerank: {
        path: `${base}/rerank`,
        body: { query: question, texts: ['It is 5.', 'It is 6.'], return_text: true, ...options },
        answer: array(exactly({ index: number(), score: p, text: string() })),
      },
      'rerank without texts': {
        path: `${base}/rerank`,
        body: { query: question, texts: ['It is 5.'], ...options },
        answer: array(exactly({ index: number(), score: p })),
      },
      info: { path: `${base}/info`, answer: v.looseObject({ model_id: string(), model_type: v.looseObject({}) }) },
      health: { path: `${base}/health`, answer: exactly({}) },
    },
    {
      'a body that is none': { path: `${base}/predict`, body: {}, status: 422, says: /"Validation"/, form },
      'a judge that gives nothing': {
        path: `${base}/predict`,
        body: { inputs: [question, 'boom'] },
        status: 424,
        says: /"Backend"/,
        form,
      },
      'too many texts': {
        path: `${base}/rerank`,
        body: { query: question, texts: Array.from({ length: 4097 }, () => 'x') },
        status: 413,
        says: /"Validation"/,
        form,
      },
      metrics: { path: `${base}/metrics`, status: 404, says: /There is nothing at GET/ },
    },
  )
  test('overloaded: a key that has sent too much', async () => {
    const { key } = await app.json('/v1/keys', { json: { scopes: ['judge'], rate: { items: 1, seconds: 60 } } })
    const json = { inputs: [question, 'It is 5.'] }
    await app.json(`${base}/predict`, { json, key }) // takes all there is
    const got = await app.json(`${base}/predict`, { json, key }, 429)
    assert.ok(v.is(form, got) && (got as { error_type: string }).error_type === 'Overloaded', JSON.stringify(got))
  })
})

describe("OpenAI's decisions", () => {
  const path = '/v1/decisions'
  const tool = { id: 'fc_1', call_id: 'call_1', name: 'add' }
  const body = {
    model: 'j',
    input: [
      { role: 'user', content: question },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'It is 5.' },
          { type: 'input_json', json: { a: 1 } },
        ],
      },
      { role: 'developer', content: 'Be strict.' },
      { role: 'system', content: 'Be strict.' },
      { role: 'assistant', content: [{ type: 'output_text', text: 'It is 5.' }] },
      { type: 'function_call', ...tool, arguments: '{"a":2}' },
      { type: 'function_call_output', call_id: 'call_1', output: '5' },
      { type: 'custom_tool_call', ...tool, input: '2 + 3' },
      { type: 'custom_tool_call_output', call_id: 'call_1', output: '5' },
    ],
    questions: [
      { type: 'predicate', instructions: 'It is right.', name: 'right' },
      {
        type: 'choice',
        instructions: [{ type: 'input_text', text: 'Which?' }],
        choices: [{ value: 'red', description: 'warm' }, { value: true }],
      },
      {
        type: 'score',
        instructions: 'How good?',
        levels: [{ label: 'bad' }, { label: 'good', description: 'fine' }],
        name: 'how',
      },
    ],
    prompt_cache_key: 'k',
    prompt_cache_options: { mode: 'implicit', ttl: '30m' },
    safety_identifier: 's',
  }
  const answer = exactly({
    model: literal('j'),
    answers: v.tuple([
      exactly({ type: literal('predicate'), name: literal('right'), probability: p }),
      exactly({
        type: literal('choice'),
        name: v.null(),
        choice: v.union([string(), boolean()]),
        confidence: p,
        probabilities: v.tuple([
          exactly({ value: literal('red'), probability: p }),
          exactly({ value: literal(true), probability: p }),
        ]),
      }),
      exactly({
        type: literal('score'),
        name: literal('how'),
        score: p,
        confidence: p,
        probabilities: v.tuple([
          exactly({ value: literal(0), label: literal('bad'), probability: p }),
          exactly({ value: literal(1), label: literal('good'), probability: p }),
        ]),
      }),
    ]),
    usage: exactly({
      input_tokens: number(),
      input_tokens_details: exactly({ cached_tokens: number(), cache_write_tokens: number() }),
      output_tokens: number(),
      output_tokens_details: exactly({ reasoning_tokens: number() }),
      total_tokens: number(),
    }),
  })
  const image = [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://x.example/a.png' }] }]
  replay(
    {
      'about a conversation': { path, body, answer },
      'about a text': { path, body: { ...body, input: 'It is 5.' }, answer },
      'that the judge refuses': {
        path,
        body: { model: 'j', input: 'nothing', questions: [body.questions[0]] },
        answer: v.looseObject({ answers: v.tuple([exactly({ type: literal('refusal'), name: literal('right') })]) }),
      },
    },
    {
      'an image': { path, body: { ...body, input: image }, status: 422, says: /cannot see any image/ },
      'names that are not unique': {
        path,
        body: { ...body, questions: [body.questions[0], body.questions[0]] },
        status: 422,
        says: /is that of another question/,
      },
    },
  )
})

describe('System One', () => {
  const path = '/v1/systemone'
  const questions = {
    n: { type: 'noul', instructions: 'Is it right?', criteria: { true: 'it is', false: 'it is not' } },
    b: { type: 'boolean', instructions: 'Is it right?' },
    c: { type: 'choice', instructions: 'Which?', criteria: { red: 'warm', blue: null } },
    s: { type: 'score', instructions: 'How good?', criteria: ['bad', 'good'] },
    one: { type: 'choice', instructions: 'Which?', criteria: { red: null } },
  }
  const choice = (...names: string[]) =>
    exactly({ type: literal('choice'), choice: v.picklist(names), probabilities: of(...names), confidence: p })
  const answer = exactly({
    model: literal('j'),
    answers: exactly({
      n: exactly({ type: literal('noul'), noul: p }),
      b: exactly({ type: literal('boolean'), boolean: p }),
      c: choice('red', 'blue'),
      s: exactly({
        type: literal('score'),
        score: p,
        probabilities: of('0', '1'),
        legend: exactly({ 0: literal('bad'), 1: literal('good') }),
        confidence: p,
      }),
      one: choice('red'),
    }),
    usage: exactly({ input_tokens: number(), output_tokens: literal(0) }),
  })
  const states = { text: 'It is 5.', object: { question, response: 'It is 5.' }, array: [question, 'It is 5.'] }
  const served = Object.entries(states).map(([name, state]) => [
    `about a state that is ${name}`,
    { path, body: { model: 'j', state, questions }, answer },
  ])
  replay(Object.fromEntries(served) as Record<string, Served>, {
    '11 levels': {
      path,
      body: {
        model: 'j',
        state: 'x',
        questions: { s: { ...questions.s, criteria: Array.from({ length: 11 }, String) } },
      },
      status: 400,
      says: /questions\.s\.criteria/,
    },
  })
})

describe("OpenAI's graders", () => {
  const run = '/v1/fine_tuning/alpha/graders/run'
  const validate = '/v1/fine_tuning/alpha/graders/validate'
  const input = '{{sample.output_text}}'
  const reference = '{{item.answer}}'
  const says = [{ role: 'user', content: [{ type: 'input_text', text: `Grade: ${input}` }], type: 'message' }]
  const check = { type: 'string_check', name: 'check', input, reference, operation: 'eq' }
  const similarity = { type: 'text_similarity', name: 'alike', input, reference, evaluation_metric: 'fuzzy_match', pass_threshold: 0.5 } // prettier-ignore
  const metrics = ['fuzzy_match', 'bleu', 'gleu', 'meteor', 'rouge_1', 'rouge_2', 'rouge_3', 'rouge_4', 'rouge_5', 'rouge_l'] // prettier-ignore
  const scoreModel = {
    type: 'score_model',
    name: 'score',
    model: 'j',
    input: [{ role: 'developer', content: 'Be strict.' }, ...says],
    range: [0, 1],
    sampling_params: { max_completions_tokens: 8, reasoning_effort: 'low', seed: 1, temperature: 0, top_p: 1 },
    pass_threshold: 0.5,
  }
  const labelModel = { type: 'label_model', name: 'label', model: 'j', input: says, labels: ['bad', 'good'], passing_labels: ['good'] } // prettier-ignore
  const python = { type: 'python', name: 'program', source: 'def grade(sample, item):\n    return 1.0', image_tag: '2025-05-08' } // prettier-ignore
  const multi = (graders: unknown, calculate_output: string) => ({ type: 'multi', name: 'multi', graders, calculate_output }) // prettier-ignore
  const graders: Record<string, { name: string }> = {
    ...Object.fromEntries(
      ['eq', 'ne', 'neq', 'like', 'ilike'].map((operation) => [operation, { ...check, operation }]),
    ),
    ...Object.fromEntries(
      metrics.map((evaluation_metric) => [evaluation_metric, { ...similarity, evaluation_metric }]),
    ),
    score_model: scoreModel,
    label_model: labelModel,
    'multi of an object': multi({ a: check, b: similarity }, 'min(max(a, b), 1) + abs(-a) ^ 2 / sqrt(4)'),
    'multi of a list': multi([check, similarity], 'floor(check) * ceil(alike) - log(exp(0))'),
    'multi of one': multi(check, 'check'),
  }
  const errors = exactly({
    formula_parse_error: literal(false),
    sample_parse_error: literal(false),
    truncated_observation_error: literal(false),
    unresponsive_reward_error: literal(false),
    invalid_variable_error: literal(false),
    other_error: literal(false),
    python_grader_server_error: literal(false),
    python_grader_server_error_type: v.null(),
    python_grader_runtime_error: literal(false),
    python_grader_runtime_error_details: v.null(),
    model_grader_server_error: literal(false),
    model_grader_refusal_error: literal(false),
    model_grader_parse_error: literal(false),
    model_grader_server_error_details: v.null(),
  })
  const answer = exactly({
    reward: number(),
    metadata: exactly({
      name: string(),
      type: string(),
      execution_time: number(),
      token_usage: nullable(number()),
      sampled_model_name: nullable(string()),
      scores: strings,
      errors,
    }),
    sub_rewards: strings,
    model_grader_token_usage_per_model: strings,
  })
  const sample = { model_sample: 'It is 5.', item: { answer: 'It is 5.' } }
  const served = Object.entries(graders).flatMap(([name, grader]) => [
    [`run ${name}`, { path: run, body: { grader, ...sample }, answer }],
    [
      `validate ${name}`,
      { path: validate, body: { grader }, answer: exactly({ grader: v.looseObject({ name: literal(grader.name) }) }) },
    ],
  ])
  const unknowable = {
    grader: { ...check, input: '{{sample.output_json.a[0]}} {{sample.output_tools}} {{sample.choices}}' },
  }
  replay(
    {
      ...(Object.fromEntries(served) as Record<string, Served>),
      'run what refers to JSON that is none': {
        path: run,
        body: { ...unknowable, ...sample },
        answer: v.looseObject({
          metadata: v.looseObject({ errors: v.looseObject({ sample_parse_error: literal(true) }) }),
        }),
      },
      'run a formula that is none': {
        path: run,
        body: { grader: multi({ a: check }, 'a +'), ...sample },
        answer: v.looseObject({
          reward: literal(0),
          metadata: v.looseObject({ errors: v.looseObject({ formula_parse_error: literal(true) }) }),
        }),
      },
    },
    {
      // Where there is no sandbox, as here and on Cloudflare.
      'run a program': { path: run, body: { grader: python, ...sample }, status: 422, says: /it runs on Node only/ },
      cosine: {
        path: validate,
        body: { grader: { ...similarity, evaluation_metric: 'cosine' } },
        status: 422,
        says: /no embedding model/,
      },
      nesting: {
        path: validate,
        body: { grader: multi({ a: multi({ b: check }, 'b') }, 'a') },
        status: 400,
        says: /grader\.graders/,
      },
    },
  )
})

describe('what Gavel has routes of its own for', () => {
  const grader = { type: 'string_check', name: 'c', input: 'a', reference: 'a', operation: 'eq' }
  replay(
    {},
    {
      "OpenAI's fine-tuning": {
        path: '/v1/fine_tuning/jobs',
        body: {
          model: 'm',
          training_file: 'file-1',
          method: { type: 'reinforcement', reinforcement: { grader, hyperparameters: { n_epochs: 'auto' } } },
        },
        ...NOT_HERE,
      },
      "OpenAI's evals": {
        path: '/v1/evals',
        body: { data_source_config: { type: 'custom', item_schema: {} }, testing_criteria: [grader] },
        ...NOT_HERE,
      },
      Tinker: { path: '/api/v1/create_session', body: {}, ...NOT_HERE },
    },
  )
})
