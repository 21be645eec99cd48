/** What the API must do wherever it runs: on Node and in workerd. */
import assert from 'node:assert/strict'
import type { JudgeClient } from '../../src/core/ports.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import type { Deps } from '../../src/service/deps.ts'
import type { TestApi } from '../helpers/test-api.ts'

export const TRAINING = { steps: 4, learning_rate: 0.001 }
export const sftJob = (dataset: string, more: object = {}) => ({
  type: 'sft',
  model: 'student',
  dataset,
  config: { ...TRAINING, batch_size: 2, max_tokens: 64 },
  ...more,
})

/** A model by name, and a dataset of two rows by id. */
export async function studentAndData(api: TestApi): Promise<string> {
  await api.json('/v1/models', { json: { name: 'student', source: { type: 'local', path: '/models/student' } } })
  const rows = [
    { id: 1, prompt: '1+1?', answer: '2', completion: '2' },
    { id: 'b', prompt: '2+2?', answer: '4', completion: '4' },
  ]
  const body = rows.map((row) => JSON.stringify(row)).join('\n')
  const headers = { 'content-type': 'application/jsonl' }
  return (await api.json('/v1/datasets?name=pairs', { body, headers })).id
}

export interface CountingJudge {
  /** How many items it was asked. */
  asked: number
  /** The secrets it was made with. */
  secrets: (string | null)[]
  judgeClient: Deps['judgeClient']
}

/** Says Yes to answers with a 5 in them; answers something else to "nothing"; errs on "boom". */
export function countingJudge(): CountingJudge {
  const counts: Omit<CountingJudge, 'judgeClient'> = { asked: 0, secrets: [] }
  const client: JudgeClient = {
    async firstTokenLogprobs(requests) {
      counts.asked += requests.length
      return requests.map(({ messages }) => {
        const text = messages.at(-1)!.content
        if (text.includes('boom')) return new Error('the provider answered 500')
        const [yes, no] = text.includes('nothing') ? [0.1, 0.1] : text.includes('5') ? [0.9, 0.1] : [0.2, 0.7]
        const logprobs = [
          { token: 'Yes', logprob: Math.log(yes) },
          { token: ' No', logprob: Math.log(no) },
        ]
        return { logprobs, complete: false, usage: { promptTokens: 9, completionTokens: 1 } }
      })
    },
  }
  return Object.assign(counts, {
    judgeClient: (_judge: unknown, secret: string | null) => {
      counts.secrets.push(secret)
      return client
    },
  })
}

export function apiContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: (changes?: Partial<Deps>) => Promise<TestApi & { close(): void }>,
): void {
  const check = (name: string, run: (api: TestApi) => Promise<void>, changes?: () => Partial<Deps>) =>
    test(name, async () => {
      const api = await open(changes?.())
      try {
        await run(api)
        assert.deepEqual(api.errors, [], 'no failure of our own')
      } finally {
        api.close()
      }
    })

  check('health, description and page need no key', async (api) => {
    for (const path of ['/livez', '/readyz']) assert.deepEqual(await api.json(path, { key: null }), { status: 'ok' })
    assert.equal((await api.json('/openapi.json', { key: null })).openapi, '3.1.0')
    const page = await api.request('/docs', { key: null })
    assert.match(await page.text(), /POST<\/span> <code>\/v1\/judgments/)
    assert.match(page.headers.get('content-security-policy')!, /default-src 'none'/)
  })

  check('keys: made once, scoped, listed without secret, revoked at once', async (api) => {
    const made = await api.json('/v1/keys', { json: { name: 'k', scopes: ['data'] } })
    assert.match(made.key, /^gvl_[\w-]{43}$/)
    const listed = await api.json('/v1/keys')
    assert.deepEqual(
      listed.data,
      [{ ...made, key: undefined }].map(({ key: _, ...rest }) => rest),
    )
    await api.json('/v1/datasets', { key: made.key })
    const refused = await api.json('/v1/jobs', { key: made.key }, 403)
    assert.match(refused.error.message, /scope `train`/)
    assert.deepEqual(await api.json(`/v1/keys/${made.id}`, { method: 'DELETE' }), {
      id: made.id,
      object: 'key',
      deleted: true,
    })
    assert.equal((await api.json('/v1/datasets', { key: made.key }, 401)).error.code, 'unauthorized')
    for (const key of [null, '', 'wrong', 'admin-key2']) await api.json('/v1/jobs', { key }, 401)
  })

  check('rates: headers on every answer, and a 429 with the time to wait', async (api) => {
    const { key, rate } = await api.json('/v1/keys', { json: { scopes: ['judge'], rate: { items: 5, seconds: 60 } } })
    assert.deepEqual(rate, { items: 5, seconds: 60 })
    const items = Array.from({ length: 3 }, () => ({ text: '5', gold: '5' }))
    const verify = (call = {}) => api.request('/v1/verify', { key, json: { verifier: 'math', items }, ...call })
    const first = await verify()
    assert.equal(first.status, 200)
    assert.equal(first.headers.get('ratelimit-policy'), '"items";q=5;w=60')
    assert.equal(first.headers.get('ratelimit'), '"items";r=2;t=60')
    api.clock.time += 20_500
    const second = await verify()
    assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '40'])
    assert.equal(second.headers.get('ratelimit'), '"items";r=2;t=40')
    assert.equal(((await second.json()) as { error: { code: string } }).error.code, 'rate_limited')
    const list = await api.request('/v1/judges', { key })
    assert.deepEqual([list.status, list.headers.get('ratelimit')], [200, '"items";r=1;t=40'])
    const six = { verifier: 'math', items: [...items, ...items] }
    assert.equal((await api.json('/v1/verify', { key, json: six }, 413)).error.code, 'too_large')
    api.clock.time += 40_000
    assert.equal((await verify()).status, 200)
    assert.equal((await api.request('/v1/judges')).headers.get('ratelimit'), null, 'the operator has no limit')
    await api.json('/v1/keys', { json: { scopes: ['judge'], budget: { per: 'day' } } }, 422)
  })

  check("tenants: another's ids are a 404, and only the operator makes keys for others", async (api) => {
    const dataset = await studentAndData(api)
    const keyFor = async (tenant: string, scopes: string[]) =>
      (await api.json('/v1/keys', { json: { tenant, scopes } })).key
    const key = await keyFor('acme', ['admin'])
    const mine = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const paths = [
      `/v1/datasets/${dataset}`,
      `/v1/datasets/${dataset}/content`,
      '/v1/models/student',
      `/v1/jobs/${mine.id}`,
    ]
    for (const path of [...paths, `/v1/jobs/${mine.id}/events`]) await api.json(path, { key }, 404)
    await api.json(`/v1/jobs/${mine.id}/cancel`, { key, method: 'POST' }, 404)
    assert.deepEqual((await api.json('/v1/jobs', { key })).data, [])
    const refused = await api.json('/v1/jobs', { key, json: sftJob(dataset) }, 404)
    assert.equal(refused.error.param, 'dataset')
    await api.json('/v1/keys', { key, json: { scopes: ['admin'], tenant: 'default' } }, 403)
    await api.json('/v1/keys?tenant=default', { key }, 403)
    const other = await api.json('/v1/keys', { json: { tenant: 'acme', scopes: ['train'] } })
    assert.equal((await api.json('/v1/keys?tenant=acme')).data[0].id, other.id)
    await api.json(`/v1/keys/${other.id}`, { method: 'DELETE' }, 404)
    await api.json(`/v1/keys/${other.id}?tenant=acme`, { method: 'DELETE' })
    await api.json('/v1/jobs', { key: other.key }, 401)
    const worker = await keyFor('acme', ['worker'])
    await api.json('/v1/worker/lease', { key: worker, json: { worker: 'w' } }, 204)
    const { job } = await api.json('/v1/worker/lease', { json: { worker: 'w' } })
    await api.json(`/v1/worker/jobs/${job.id}/heartbeat`, { key: worker, json: { fence: job.fence } }, 404)
  })

  check('datasets: stored as sent, counted, previewed, downloaded, deleted', async (api) => {
    const id = await studentAndData(api)
    const found = await api.json('/v1/datasets/pairs')
    assert.deepEqual([found.id, found.rows, found.labelled, found.completions, found.version], [id, 2, 2, 2, 1])
    const content = await (await api.request(`/v1/datasets/${id}/content`)).text()
    assert.equal(await sha256Hex(content), found.sha256)
    const page = await api.json(`/v1/datasets/${id}/rows?limit=1`)
    assert.deepEqual([page.data[0].row.prompt, page.has_more], ['1+1?', true])
    const rest = await api.json(`/v1/datasets/${id}/rows?after=${page.data[0].id}`)
    assert.deepEqual([rest.data[0].row.id, rest.has_more], ['b', false])
    const form = new FormData()
    form.set('file', new Blob(['{"prompt":"x","extra":{"kept":true}}\n\n']), 'x.jsonl')
    form.set('name', 'by-form')
    const formed = await api.json('/v1/datasets', { body: form })
    assert.deepEqual([formed.name, formed.rows, formed.labelled], ['by-form', 1, 0])
    await api.json(`/v1/datasets/${id}`, { method: 'DELETE' })
    await api.json(`/v1/datasets/${id}`, {}, 404)
    assert.deepEqual(await api.deps.blobs.list(`tenants/default/datasets/${id}`), [])
  })

  check('a dataset with a bad line names the line and stores nothing', async (api) => {
    const upload = (body: BodyInit, status = 422) =>
      api.json('/v1/datasets', { body, headers: { 'content-type': 'application/jsonl' } }, status)
    const cases: [BodyInit, RegExp, string][] = [
      ['{"prompt":"a"}\n{"prompt":3}', /^Line 2: `prompt` must be string/, 'line 2, prompt'],
      ['{"prompt":"a"}\n\n{"answer":"3"}', /^Line 3: `row` must hold either `prompt`/, 'line 3, row'],
      ['{"prompt":"a"}\n{"prompt":', /^Line 2: it is not valid JSON/, 'line 2'],
      ['{"prompt":"a","messages":[{"role":"user","content":"x"}]}', /^Line 1: /, 'line 1, row'],
      ['[1]', /^Line 1: /, 'line 1, row'],
      ['{"messages":[{"role":"robot","content":"x"}]}', /^Line 1: `messages\[0\].role`/, 'line 1, messages[0].role'],
      ['{"prompt":"a","answer":"1","answer":"2"}', /^Line 1: The JSON has the key "answer" twice/, 'line 1, answer'],
      ['{"prompt":"a"}\n{"prompt":"a","answer":1e400}', /^Line 2: The JSON has a number at "answer"/, 'line 2, answer'],
      ['{"prompt":"\\ud83d"}', /^Line 1: `prompt` has half a character/, 'line 1, prompt'],
      [
        new Uint8Array([...new TextEncoder().encode('{"prompt":"'), 0xff, 0xfe]),
        /^Line 1: it is not valid UTF-8/,
        'line 1',
      ],
    ]
    for (const [body, message, param] of cases) {
      const { error } = await upload(body)
      assert.match(error.message, message)
      assert.deepEqual([error.code, error.param], ['bad_dataset_line', param])
    }
    assert.equal((await upload(`{"prompt":"${'x'.repeat(1 << 20)}"}`, 413)).error.param, 'line 1')
    assert.equal((await upload('\n \n')).error.code, 'unprocessable')
    assert.deepEqual((await api.json('/v1/datasets')).data, [])
    assert.deepEqual(await api.deps.blobs.list('tenants/'), [])
  })

  const judge = { provider: { type: 'openai', base_url: 'https://judge.example/v1', model: 'm', api_key: 'sk-secret' } }
  const counting = { current: countingJudge() }
  const fresh = () => {
    counting.current = countingJudge()
    return { judgeClient: (...args: Parameters<Deps['judgeClient']>) => counting.current.judgeClient(...args) }
  }

  check(
    'budgets and usage: what judges were asked is counted, by key, judge and day, and stops at the budget',
    async (api) => {
      const { id } = await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      const budget = { items: 3, per: 'day' }
      const mine = await api.json('/v1/keys', { json: { scopes: ['judge'], budget } })
      assert.deepEqual([mine.budget, mine.rate], [budget, null])
      const ask = (answers: string[], status = 200) => {
        const items = answers.map((answer) => ({ question: 'q', answer }))
        return api.json('/v1/judgments', { key: mine.key, json: { judge: 'j', items } }, status)
      }
      await ask(['5', 'nothing'])
      const refused = await ask(['5', '6'], 429)
      assert.match(refused.error.message, /3 items a day; 2 are used/)
      await ask(['5'])
      await ask(['5'])
      assert.equal(counting.current.asked, 2)
      await ask(['7'])
      const beyond = await ask(['5', '7', '8', '9'], 413)
      assert.match(beyond.error.message, /brings 4 items .* 3 items a day: it can never pass\. Split it .* at most 3/)
      const rewards = {
        reward: { lambda: 1, verifier: 'math' },
        items: [{ prompt: 'q', completion: '5', answer: '5' }],
      }
      await api.json('/v1/rewards', { key: mine.key, json: rewards })
      const response = await api.request('/v1/judgments', {
        key: mine.key,
        json: { judge: 'j', items: [{ question: 'q', answer: '8' }] },
      })
      assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '86400'])
      assert.equal(response.headers.get('x-should-retry'), 'false')

      await api.json('/v1/judgments', { json: { judge: 'j', items: [{ question: 'q', answer: 'boom' }] } })
      const own = await api.json('/v1/usage', { key: mine.key })
      assert.deepEqual(own.data, [
        {
          id: `2026-01-01/${mine.id}/`, object: 'usage', day: '2026-01-01', key: mine.id, job: null, judge: null, items: 1,
          cached: 0, abstained: 0, failed: 0, prompt_tokens: 0, completion_tokens: 0, uncounted: 0, cost: 0,
        },
        {
          id: `2026-01-01/${mine.id}/${id}`, object: 'usage', day: '2026-01-01', key: mine.id, job: null, judge: id, items: 5,
          cached: 2, abstained: 1, failed: 0, prompt_tokens: 27, completion_tokens: 3, uncounted: 0, cost: 0,
        },
      ]) // prettier-ignore
      const all = await api.json('/v1/usage?limit=1')
      assert.deepEqual([all.data[0].key, all.data[0].failed, all.has_more], [null, 1, true])
      assert.equal((await api.json(`/v1/usage?after=${encodeURIComponent(all.data[0].id)}`)).data.length, 2)
      assert.deepEqual((await api.json('/v1/usage?from=2026-01-02&to=2026-01-03')).data, [])
      await api.json('/v1/usage?tenant=default', { key: mine.key })
      await api.json('/v1/usage?tenant=acme', { key: mine.key }, 403)
      await api.json('/v1/usage?from=yesterday', {}, 400)
      api.clock.time += 86_400_000
      await ask(['5', '6', '7'])
    },
    fresh,
  )

  check(
    'judges and judgments: three outcomes in order, cached by content, secret kept',
    async (api) => {
      const made = await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      assert.deepEqual([made.version, made.provider.has_api_key, made.provider.api], [1, true, 'chat'])
      for (const path of ['/v1/judges', '/v1/judges/j', `/v1/judges/${made.id}`]) {
        assert.ok(!(await (await api.request(path)).text()).includes('sk-secret'))
      }
      const stored = (await api.deps.database.judges.find('default', 'j'))!
      assert.ok(stored.secret && !JSON.stringify(stored).includes('sk-secret'))

      const items = [
        { question: '2+3?', answer: '5' },
        { question: '2+3?', answer: '6' },
        { question: '2+3?', answer: 'nothing' },
        { question: '2+3?', answer: 'boom' },
        {
          messages: [
            { role: 'user', content: '2+3?' },
            { role: 'assistant', content: '5' },
          ],
        },
      ]
      const first = await api.json('/v1/judgments', { json: { judge: 'j', items } })
      assert.deepEqual(
        first.data.map((item: { outcome: string }) => item.outcome),
        ['scored', 'scored', 'abstained', 'failed', 'scored'],
      )
      assert.ok(Math.abs(first.data[0].reward - 0.9) < 1e-12)
      assert.ok(Math.abs(first.data[1].reward - 2 / 9) < 1e-12)
      assert.deepEqual([first.data[2].reward, first.data[3].reward], [null, null])
      assert.match(first.data[3].reason, /answered 500/)
      assert.deepEqual(counting.current.secrets, ['sk-secret'])
      assert.equal(counting.current.asked, 4)

      const again = await api.json('/v1/judgments', { json: { judge: made.id, items: items.slice(0, 2) } })
      assert.deepEqual(
        again.data.map((item: { cached: boolean }) => item.cached),
        [true, true],
      )
      assert.equal(counting.current.asked, 4)

      const second = await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      assert.equal(second.version, 2)
      await api.json('/v1/judgments', { json: { judge: 'j', items: items.slice(0, 1) } })
      assert.equal(counting.current.asked, 5, 'another version is another judge')
    },
    fresh,
  )

  check(
    'rewards: inline and by name, routed by label, gated before any judge',
    async (api) => {
      await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      const recipe = { lambda: 1, mu: 1, verifier: 'math', judge: 'j' }
      const made = await api.json('/v1/recipes', { json: { name: 'both', ...recipe } })
      assert.match(made.judge, /^judge_/)
      const items = [
        { prompt: '2+3?', completion: 'The answer is 5', answer: '5' },
        { prompt: '2+3?', completion: 'The answer is 5' },
        { prompt: '2+3?', completion: 'The answer is 5', finish_reason: 'length' },
        { prompt: '2+3?', completion: 'boom 5', answer: '5' },
      ]
      for (const reward of [recipe, 'both', made.id]) {
        const { data } = await api.json('/v1/rewards', { json: { reward, items } })
        assert.deepEqual(
          data.map((row: { outcome: string }) => row.outcome),
          ['scored', 'scored', 'scored', 'failed'],
        )
        assert.ok(Math.abs(data[0].reward - 0.95) < 1e-12 && Math.abs(data[1].reward - 0.9) < 1e-12)
        assert.deepEqual([data[2].reward, data[2].reason, data[3].reward], [0, 'gated', null])
      }
      const missing = await api.json('/v1/rewards', { json: { reward: { ...recipe, judge: 'nobody' }, items } }, 404)
      assert.equal(missing.error.param, 'reward.judge')
    },
    fresh,
  )

  check(
    'rewards: advantages, the overlap, a row that fails alone, and a receipt that only its own content meets',
    async (api) => {
      const { id } = await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      const reward = { lambda: 0, mu: 1, verifier: 'math', judge: 'j' }
      const items = [
        { prompt: '2+3?', completion: 'The answer is 5', answer: '5' },
        { prompt: '2+3?', completion: 'The answer is 6', answer: '5' },
        { prompt: '2+3?', completion: 'The answer is 7', answer: 'as many as before' },
        { prompt: '2+4?', completion: 'The answer is 6' },
      ]
      const answer = await api.json('/v1/rewards', { json: { reward, items, advantage: 'group_mean' } })
      const { recipe, data, receipt } = answer
      assert.deepEqual(
        data.map((row: { outcome: string }) => row.outcome),
        ['scored', 'scored', 'failed', 'scored'],
      )
      assert.match(data[2].reason, /^`items\[2\]\.answer`/)
      const [right, wrong] = [0.9, 0.2 / 0.9]
      for (const [i, expected] of [(right - wrong) / 2, (wrong - right) / 2, null, 0].entries()) {
        const got = data[i].advantage
        assert.ok(expected === null ? got === null : Math.abs(got - expected) < 1e-12, `${got}`)
      }
      const { n, accuracy, auc, false_positive_rate, brier } = answer.overlap
      assert.deepEqual([n, accuracy, auc, false_positive_rate], [2, 1, 1, 0])
      assert.ok(Math.abs(brier - ((1 - right) ** 2 + wrong ** 2) / 2) < 1e-12)
      assert.equal(recipe.judge, id)

      const check = (json: object, key?: string) =>
        api.json('/v1/rewards/verify-receipt', { json, ...(key && { key }) })
      const content = { recipe, items, data }
      assert.deepEqual(await check({ receipt, content }), { valid: true, reason: null })
      assert.deepEqual(await check({ receipt }), { valid: true, reason: null })
      const forged = { ...content, data: data.with(1, { ...data[1], reward: 1 }) }
      assert.deepEqual(await check({ receipt, content: forged }), { valid: false, reason: 'other_content' })
      const late = { ...receipt, created_at: receipt.created_at + 1 }
      assert.deepEqual(await check({ receipt: late }), { valid: false, reason: 'wrong_signature' })
      const acme = await api.json('/v1/keys', { json: { tenant: 'acme', scopes: ['judge'] } })
      assert.deepEqual(await check({ receipt, content }, acme.key), { valid: false, reason: 'wrong_signature' })
      const again = await api.json('/v1/rewards', { json: { reward: recipe, items, advantage: 'group_mean' } })
      assert.deepEqual([again.data, again.receipt], [data, receipt])
      assert.equal(counting.current.asked, 3)
    },
    fresh,
  )

  check(
    'recipes that contradict themselves are refused, and controls ask no one',
    async (api) => {
      const items = [{ prompt: '2+3?', completion: 'The answer is 5' }]
      const refused = async (reward: object, param: string) => {
        const { error } = await api.json('/v1/rewards', { json: { reward, items } }, 422)
        assert.equal(error.param, param, JSON.stringify(reward))
      }
      await refused({ lambda: 0 }, 'reward.lambda')
      await refused({ lambda: 0, rho: 1 }, 'reward.reranker')
      await refused({ lambda: 1, verifier: 'math', routing: 'split' }, 'reward.routing')
      await refused({ lambda: 0, mu: 1, judge: 'j', pseudo_labels: {} }, 'reward.pseudo_labels')
      await refused({ lambda: 1, verifier: 'math', clip: { min: 1, max: 1 } }, 'reward.clip')
      const reward = { lambda: 0, mu: 1, control: { kind: 'random', seed: 3 } }
      const first = await api.json('/v1/rewards', { json: { reward, items } })
      const second = await api.json('/v1/rewards', { json: { reward, items } })
      assert.deepEqual(first.data, second.data)
      assert.ok(first.data[0].reward > 0 && first.data[0].reward < 1)
      assert.equal(counting.current.asked, 0)
    },
    fresh,
  )

  check('verify: item by item, and a gold that cannot be compared is named', async (api) => {
    const items = [
      { text: 'so #### 5', gold: '5' },
      { text: 'so #### 6', gold: '5' },
    ]
    const { data } = await api.json('/v1/verify', { json: { verifier: 'math', items } })
    assert.deepEqual(
      data.map((item: { correct: boolean }) => item.correct),
      [true, false],
    )
    const { error } = await api.json(
      '/v1/verify',
      { json: { verifier: 'math', items: [...items, { text: '5', gold: '' }] } },
      422,
    )
    assert.equal(error.param, 'items[2].gold')
  })

  check('jobs: created with defaults and ids, idempotent, listed, filtered', async (api) => {
    const dataset = await studentAndData(api)
    const headers = { 'idempotency-key': 'once' }
    const job = await api.json('/v1/jobs', { json: sftJob('pairs', { name: 'first' }), headers })
    assert.deepEqual([job.state, job.attempt, job.step, job.name], ['queued', 0, null, 'first'])
    assert.equal(job.spec.dataset, dataset)
    assert.match(job.spec.model, /^model_/)
    assert.equal(job.spec.config.beta2, 0.999)
    assert.equal((await api.json('/v1/jobs', { json: sftJob('pairs', { name: 'first' }), headers })).id, job.id)
    const clash = await api.request('/v1/jobs', { json: sftJob(dataset), headers })
    assert.deepEqual([clash.status, clash.headers.get('x-should-retry')], [409, 'false'])
    const other = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const ids = async (query: string) => (await api.json(`/v1/jobs${query}`)).data.map((row: { id: string }) => row.id)
    assert.deepEqual(await ids(''), [other.id, job.id])
    assert.deepEqual(await ids(`?after=${other.id}&limit=1`), [job.id])
    assert.deepEqual(await ids('?state=running'), [])
    assert.deepEqual(await ids('?type=sft&limit=1'), [other.id])
    await api.json(`/v1/datasets/${dataset}`, { method: 'DELETE' }, 409)
  })

  check('jobs: what their judge is made of stays until they have ended', async (api) => {
    const dataset = await studentAndData(api)
    const model = await api.json('/v1/models', { json: { name: 'small', source: { type: 'local', path: '/small' } } })
    const local = { name: 'small', provider: { type: 'local', model: 'small' } }
    const small = await api.json('/v1/judges', { json: local })
    await api.json('/v1/judges', { json: { name: 'j', ...judge } })
    await api.json('/v1/judges', { json: { name: 'both', provider: { type: 'ensemble', judges: ['small', 'j'] } } })
    const job = await api.json('/v1/jobs', { json: { type: 'judge.audit', judge: 'both', dataset } })
    for (const path of [`/v1/models/${model.id}`, `/v1/judges/${small.id}`]) {
      const { error } = await api.json(path, { method: 'DELETE' }, 409)
      assert.match(error.message, new RegExp(`is used by ${job.id}\\. Wait for them to end or cancel them`))
    }
    await api.json(`/v1/jobs/${job.id}/cancel`, { method: 'POST' })
    for (const path of [`/v1/models/${model.id}`, `/v1/judges/${small.id}`]) await api.json(path, { method: 'DELETE' })
  })

  check('jobs: what their data cannot do is refused by field', async (api) => {
    await studentAndData(api)
    const headers = { 'content-type': 'application/jsonl' }
    await api.json('/v1/datasets?name=bare', { body: '{"prompt":"x"}\n{"prompt":"y","answer":"1"}', headers })
    await api.json('/v1/datasets?name=vague', {
      body: '{"prompt":"x","answer":"1"}\n{"prompt":"y","answer":""}',
      headers,
    })
    const grpo = {
      type: 'grpo',
      model: 'student',
      data: { labelled: 'pairs' },
      reward: { lambda: 1, verifier: 'math' },
      config: { ...TRAINING, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 9, max_new_tokens: 9 },
    }
    const cases: [object, string, status?: number][] = [
      [sftJob('bare'), 'dataset'],
      [sftJob('nope'), 'dataset', 404],
      [sftJob('pairs', { model: 'nope' }), 'model', 404],
      [sftJob('pairs', { model: `ckpt_${'x'.repeat(24)}` }), 'model', 404],
      [{ ...grpo, data: { labelled: 'bare' } }, 'data.labelled'],
      [{ ...grpo, data: { labelled: 'vague' } }, 'data.labelled'],
      [{ ...grpo, data: {} }, 'data'],
      [{ ...grpo, data: { unlabelled: 'bare' } }, 'data.labelled'],
      [{ ...grpo, data: { labelled: 'pairs', canary: 'bare' } }, 'data.canary'],
      [{ ...grpo, reward: { mu: 1, lambda: 0, judge: 'nobody' } }, 'reward.judge', 404],
      [{ ...grpo, reward: 'nobody' }, 'reward', 404],
    ]
    for (const [json, param, status = 422] of cases) {
      const { error } = await api.json('/v1/jobs', { json }, status)
      assert.equal(error.param, param, error.message)
    }
    await api.json('/v1/jobs', { json: grpo })
  })

  check('jobs: every reference is looked at when the job is created, and what is wrong is named', async (api) => {
    const dataset = await studentAndData(api)
    const headers = { 'content-type': 'application/jsonl' }
    await api.json('/v1/datasets?name=bare', { body: '{"prompt":"x","completion":"1"}', headers })
    await api.json('/v1/datasets?name=others', { body: '{"prompt":"x","answer":"1"}', headers })
    const made = async (path: string, json: object) => (await api.json(path, { json })).id as string
    const { id: job } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const { fence } = await lease(api)
    let steps = 0
    const checkpoint = async (names: string[]): Promise<string> => {
      const step = ++steps
      for (const name of names) {
        const path = `/v1/worker/jobs/${job}/uploads/${fence}/${step}/${name}`
        await api.json(path, { method: 'PUT', body: 'x', headers: { 'content-length': '1' } })
      }
      const objects = names.map((name) => ({ name, size: 1, sha256: '0'.repeat(64) }))
      return (await post(api, job, 'checkpoints', { fence, step, manifest: { objects, state: {} } })).id
    }
    const whole = await checkpoint(['config.json', 'model.safetensors'])
    const answers = await checkpoint(['answers.jsonl', 'scores.jsonl'])
    const adapter = await checkpoint(['config.json', 'adapter_config.json', 'adapter_model.safetensors'])
    const gone = await checkpoint(['config.json', 'model.safetensors'])
    const trained = await made('/v1/models', { name: 'trained', source: { type: 'checkpoint', checkpoint: gone } })
    await made('/v1/judges', { name: 'of-gone', provider: { type: 'local', model: 'trained' } })
    await made('/v1/judges', { name: 'j', ...judge })
    const member = await made('/v1/judges', { name: 'member', ...judge })
    await made('/v1/judges', { name: 'both', provider: { type: 'ensemble', judges: ['j', 'member'] } })
    await made('/v1/judges', { name: 'seeing', ...judge, template: 'answer-correctness-with-reference' })
    await api.json(`/v1/judges/${member}`, { method: 'DELETE' })
    await api.json(`/v1/checkpoints/${gone}`, { method: 'DELETE' })
    const source = { type: 'checkpoint', checkpoint: answers }
    assert.equal((await api.json('/v1/models', { json: { name: 'm', source } }, 422)).error.param, 'source.checkpoint')

    const config = { ...TRAINING, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 9, max_new_tokens: 9 }
    const { group_size: _, ...ppoConfig } = config
    const rl = { data: { labelled: 'others' }, reward: { lambda: 1, verifier: 'math' } }
    const evaluation = { type: 'eval', dataset: 'pairs', verifier: 'math', config: { max_new_tokens: 9 } }
    const kinds: Record<string, object> = {
      sft: sftJob(dataset),
      grpo: { type: 'grpo', ...rl, config },
      ppo: { type: 'ppo', ...rl, config: ppoConfig },
      eval: evaluation,
    }
    const refused = async (json: object, param: string, status = 422) => {
      const { error } = await api.json('/v1/jobs', { json }, status)
      assert.equal(error.param, param, error.message)
      return error.message as string
    }
    for (const kind of Object.values(kinds)) {
      await refused({ ...kind, model: member }, 'model', 404)
      await refused({ ...kind, model: 'j' }, 'model', 404)
      await refused({ ...kind, model: gone }, 'model', 404)
      await refused({ ...kind, model: trained }, 'model', 404)
      assert.match(await refused({ ...kind, model: answers }, 'model'), /no model \(answers\.jsonl, scores\.jsonl\)/)
      assert.match(await refused({ ...kind, model: adapter }, 'model'), /an adapter without the model/)
      await api.json('/v1/jobs', { json: { ...kind, model: whole } })
    }
    const withJudge = (name: string) => ({ lambda: 1, mu: 1, verifier: 'math', judge: name })
    for (const broken of ['of-gone', 'both', 'nobody']) {
      await refused({ ...evaluation, model: whole, judge: broken }, 'judge', 404)
      await refused({ type: 'judge.audit', judge: broken, dataset }, 'judge', 404)
      await refused({ type: 'judge.calibrate', judge: broken, dataset }, 'judge', 404)
      for (const kind of [kinds.grpo, kinds.ppo]) {
        await refused({ ...kind, model: whole, reward: withJudge(broken) }, 'reward.judge', 404)
        const rerank = { lambda: 1, rho: 1, verifier: 'math', reranker: broken }
        await refused({ ...kind, model: whole, reward: rerank }, 'reward.reranker', 404)
      }
    }
    const unlabelled = { labelled: 'others', unlabelled: 'bare' }
    for (const kind of [kinds.grpo, kinds.ppo]) {
      const mine = { ...kind, model: whole }
      await refused({ ...mine, data: unlabelled, reward: withJudge('seeing') }, 'reward.judge')
      await refused({ ...mine, data: { labelled: 'others', canary: 'others' } }, 'data.canary')
      await refused({ ...mine, data: { labelled: 'others', canary: 'nope' } }, 'data.canary', 404)
      await refused({ ...mine, reward: { lambda: 1, verifier: 'nope' } }, 'reward.verifier', 400)
      await api.json('/v1/jobs', { json: { ...mine, reward: withJudge('seeing') } })
    }
    await refused({ ...evaluation, model: whole, dataset: 'bare', judge: 'seeing', verifier: undefined }, 'dataset')
    await refused({ ...evaluation, model: whole, verifier: 'nope' }, 'verifier', 400)
    await refused({ type: 'judge.calibrate', judge: 'seeing', dataset: 'bare' }, 'dataset')
  })

  const lease = async (api: TestApi) => (await api.json('/v1/worker/lease', { json: { worker: 'w' } })).job
  const post = (api: TestApi, id: string, what: string, json: object, status = 200) =>
    api.json(`/v1/worker/jobs/${id}/${what}`, { json }, status)

  check('a worker leases, reports, commits, completes; a stale fence is refused for good', async (api) => {
    const dataset = await studentAndData(api)
    const { id } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const first = await lease(api)
    assert.deepEqual([first.id, first.fence, first.attempt, first.inputs.resume], [id, 1, 1, null])
    assert.deepEqual(first.inputs.model, { type: 'local', path: '/models/student' })
    assert.equal(await lease(api).catch(() => 'none'), 'none')
    const { url, sha256, size } = first.inputs.datasets.dataset.objects[0]
    const content = new Uint8Array(await (await api.request(url)).arrayBuffer())
    assert.deepEqual([await sha256Hex(content), content.length], [sha256, size])

    await post(api, id, 'metrics', { fence: 1, data: [1, 2, 3].map((step) => ({ step, values: { loss: 1 / step } })) })
    await post(api, id, 'samples', { fence: 1, data: [{ step: 3, index: 0, prompt: 'p', completion: 'c' }] })
    await post(api, id, 'events', { fence: 1, data: [{ level: 'warning', message: 'slow', data: { ms: 3 } }] })

    const files = { 'model.safetensors': 'weights', 'state.json': '{}' }
    const objects = await Promise.all(
      Object.entries(files).map(async ([name, text]) => ({ name, size: text.length, sha256: await sha256Hex(text) })),
    )
    const manifest = { objects, state: { cursor: 7 } }
    const early = await post(api, id, 'checkpoints', { fence: 1, step: 2, manifest }, 422)
    assert.equal(early.error.param, 'manifest.objects[0]')
    const { data: uploads } = await post(api, id, 'uploads', { fence: 1, step: 2, objects })
    for (const { name, url, method } of uploads) {
      const text = files[name as keyof typeof files]
      const headers = { 'content-length': String(text.length) }
      assert.equal((await api.request(url, { method, body: text, headers })).status, 200)
    }
    const wrong = { ...manifest, objects: [{ ...objects[0], size: 3 }] }
    assert.match(
      (await post(api, id, 'checkpoints', { fence: 1, step: 2, manifest: wrong }, 422)).error.message,
      /7 bytes instead of 3/,
    )
    const commit = await post(api, id, 'checkpoints', { fence: 1, step: 2, manifest })
    assert.deepEqual(await post(api, id, 'checkpoints', { fence: 1, step: 2, manifest }), commit)
    await post(api, id, 'checkpoints', { fence: 1, step: 2, manifest: { ...manifest, state: {} } }, 409)

    api.clock.time += 61_000
    const second = await lease(api)
    assert.deepEqual([second.id, second.fence, second.attempt], [id, 2, 2])
    assert.deepEqual([second.inputs.resume.step, second.inputs.resume.state], [2, { cursor: 7 }])
    const weights = second.inputs.resume.objects[0]
    assert.equal(await (await api.request(weights.url)).text(), 'weights')
    const metrics = await api.json(`/v1/jobs/${id}/metrics`)
    assert.deepEqual(
      metrics.data.map((point: { step: number }) => point.step),
      [1, 2],
      'beyond the checkpoint is superseded',
    )
    assert.deepEqual((await api.json(`/v1/jobs/${id}/samples`)).data, [])

    const stale: [string, object][] = [
      ['heartbeat', {}],
      ['metrics', { data: [{ step: 3, values: { loss: 9 } }] }],
      ['events', { data: [{ message: 'late' }] }],
      ['samples', { data: [{ step: 3, index: 0, prompt: 'p', completion: 'c' }] }],
      ['uploads', { step: 3, objects }],
      ['checkpoints', { step: 2, manifest }],
      ['complete', { result: { checkpoint: commit.id } }],
      ['fail', { error: { code: 'x', message: 'y' } }],
      ['release', {}],
    ]
    for (const [what, more] of stale) {
      const response = await api.request(`/v1/worker/jobs/${id}/${what}`, { json: { fence: 1, ...more } })
      assert.deepEqual([response.status, response.headers.get('x-should-retry')], [409, 'false'], what)
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'stale_fence')
    }
    await api.json(url, {}, 409)

    const { data: again } = await post(api, id, 'uploads', { fence: 2, step: 2, objects })
    for (const { name, url, key } of again) {
      assert.match(key, /\/2\/2\//, 'another fence writes other keys')
      const text = files[name as keyof typeof files]
      await api.request(url, { method: 'PUT', body: text, headers: { 'content-length': String(text.length) } })
    }
    assert.deepEqual(
      await post(api, id, 'checkpoints', { fence: 2, step: 2, manifest }),
      commit,
      'the same step, the same bytes',
    )

    const beat = await post(api, id, 'heartbeat', { fence: 2 })
    assert.deepEqual(beat, {
      lease_expires_at: api.clock.time / 1000 + 60,
      cancel_requested: false,
      pause_requested: false,
    })
    const result = { checkpoint: commit.id }
    assert.equal((await post(api, id, 'complete', { fence: 2, result })).state, 'succeeded')
    await post(api, id, 'complete', { fence: 2, result })
    const done = await api.json(`/v1/jobs/${id}`)
    assert.deepEqual([done.state, done.step, done.result], ['succeeded', 2, result])

    const [listed] = (await api.json(`/v1/jobs/${id}/checkpoints`)).data
    assert.deepEqual([listed.id, listed.step, listed.bytes], [commit.id, 2, 9])
    const file = await api.request(listed.files[0].url)
    assert.equal(await file.text(), 'weights')
    const written = await api.json(`/v1/checkpoints/${commit.id}/files/manifest.json`)
    assert.deepEqual(written, { format: 1, job: id, step: 2, ...manifest })
    await api.json(`/v1/checkpoints/${commit.id}/files/other`, {}, 404)

    const evaluation = { type: 'eval', model: commit.id, dataset, verifier: 'math', config: { max_new_tokens: 9 } }
    await api.json('/v1/jobs', { json: evaluation })
    const third = await lease(api)
    assert.deepEqual(
      [third.type, third.inputs.model.type, third.inputs.model.objects.length],
      ['eval', 'checkpoint', 2],
    )
    assert.equal(await (await api.request(third.inputs.model.objects[1].url)).text(), '{}')
    await api.json(`/v1/checkpoints/${commit.id}`, { method: 'DELETE' }, 409)
    await post(api, third.id, 'fail', { fence: third.fence, error: { code: 'corrupt_model', message: 'no' } })
    await api.json(`/v1/checkpoints/${commit.id}`, { method: 'DELETE' })
    await api.json(listed.files[0].url, {}, 404)
    assert.deepEqual(await api.deps.blobs.list('tenants/default/jobs/'), [])
  })

  check('cancel, pause and resume, queued and running', async (api) => {
    const dataset = await studentAndData(api)
    const create = async () => (await api.json('/v1/jobs', { json: sftJob(dataset) })).id as string
    const change = (id: string, word: string, status = 200) =>
      api.json(`/v1/jobs/${id}/${word}`, { method: 'POST' }, status)

    const id = await create()
    assert.equal((await change(id, 'pause')).state, 'paused')
    await api.json('/v1/worker/lease', { json: { worker: 'w' } }, 204)
    assert.equal((await change(id, 'resume')).state, 'queued')
    const { fence } = await lease(api)
    assert.deepEqual(
      [(await change(id, 'pause')).state, (await change(id, 'pause')).pause_requested],
      ['running', true],
    )
    assert.equal((await post(api, id, 'heartbeat', { fence })).pause_requested, true)
    assert.equal((await post(api, id, 'release', { fence })).state, 'paused')
    await post(api, id, 'release', { fence })
    assert.equal((await change(id, 'cancel')).state, 'cancelled')
    assert.equal((await change(id, 'cancel')).state, 'cancelled', 'again is harmless')
    const refused = await change(id, 'resume', 409)
    assert.match(refused.error.message, /is cancelled and cannot be resumed/)
    await api.json(`/v1/jobs/${id}`, { method: 'DELETE' })
    await api.json(`/v1/jobs/${id}`, {}, 404)

    const running = await create()
    const leased = await lease(api)
    await api.json(`/v1/jobs/${running}`, { method: 'DELETE' }, 409)
    assert.equal((await change(running, 'cancel')).cancel_requested, true)
    api.clock.time += 61_000
    await api.json('/v1/worker/lease', { json: { worker: 'w' } }, 204)
    assert.equal(
      (await api.json(`/v1/jobs/${running}`)).state,
      'cancelled',
      'its worker is gone: the next look settles it',
    )
    await post(api, running, 'heartbeat', { fence: leased.fence }, 409)
  })

  check('a retryable failure waits and is tried again; the fifth is the last; resume starts over', async (api) => {
    const dataset = await studentAndData(api)
    const { id } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const error = { code: 'judge_unreachable', message: 'It did not answer.' }
    for (let attempt = 1; attempt <= 5; attempt++) {
      const { fence } = await lease(api)
      const { state } = await post(api, id, 'fail', { fence, error, retryable: true })
      assert.equal(state, attempt < 5 ? 'queued' : 'failed')
      await api.json('/v1/worker/lease', { json: { worker: 'w' } }, 204)
      api.clock.time += 300_000
    }
    const failed = await api.json(`/v1/jobs/${id}`)
    assert.deepEqual([failed.error, failed.attempt], [error, 5])
    assert.equal((await api.json(`/v1/jobs/${id}/resume`, { method: 'POST' })).error, null)
    const { fence } = await lease(api)
    assert.equal((await post(api, id, 'fail', { fence, error })).state, 'failed')
  })

  check('a job whose input is gone fails with a reason', async (api) => {
    const dataset = await studentAndData(api)
    const { id } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    await api.deps.database.datasets.remove('default', dataset, 1)
    await api.json('/v1/worker/lease', { json: { worker: 'w' } }, 204)
    const { state, error } = await api.json(`/v1/jobs/${id}`)
    assert.deepEqual([state, error.code], ['failed', 'not_found'])
  })

  check(
    'a worker asks a remote judge through the API, in the name of the tenant, and no other judge',
    async (api) => {
      const dataset = await studentAndData(api)
      const { id: judgeId } = await api.json('/v1/judges', { json: { name: 'j', ...judge } })
      await api.json('/v1/judges', { json: { name: 'other', ...judge } })
      const spec = {
        type: 'eval',
        model: 'student',
        dataset,
        verifier: 'math',
        judge: 'j',
        config: { max_new_tokens: 4 },
      }
      const { id } = await api.json('/v1/jobs', { json: spec })
      const response = await api.request('/v1/worker/lease', { json: { worker: 'w' } })
      const text = await response.text()
      assert.ok(!text.includes('sk-secret') && !text.includes('judge.example'))
      const { job } = JSON.parse(text) as { job: { fence: number; inputs: { judge: { id: string; model: null } } } }
      assert.deepEqual([job.inputs.judge.id, job.inputs.judge.model], [judgeId, null])
      const items = [{ question: '2+3?', answer: '5' }]
      const { data } = await post(api, id, 'judgments', { fence: job.fence, judge: judgeId, items })
      assert.equal(data[0].outcome, 'scored')
      const refused = await post(api, id, 'judgments', { fence: job.fence, judge: 'other', items }, 422)
      assert.equal(refused.error.param, 'judge')
    },
    fresh,
  )

  check('a worker reads only what its job names', async (api) => {
    const dataset = await studentAndData(api)
    const headers = { 'content-type': 'application/jsonl' }
    const other = await api.json('/v1/datasets', { body: '{"prompt":"secret"}', headers })
    await api.json('/v1/jobs', { json: sftJob(dataset) })
    const job = await lease(api)
    const at = async (id: string) => {
      const [object] = await api.deps.blobs.list(`tenants/default/datasets/${id}/`)
      return `/v1/worker/jobs/${job.id}/objects/${object!.key}?fence=${job.fence}`
    }
    assert.equal((await api.request(await at(dataset))).status, 200)
    await api.json(await at(other.id), {}, 404)
    await api.json(`/v1/worker/jobs/${job.id}/objects/../../../etc/passwd?fence=1`, {}, 404)
  })

  check('events stream as they come, go on after the last one seen, and end with the job', async (api) => {
    const dataset = await studentAndData(api)
    const { id } = await api.json('/v1/jobs', { json: sftJob(dataset) })
    const accept = { accept: 'text/event-stream' }
    const stream = await api.request(`/v1/jobs/${id}/events`, { headers: accept })
    assert.match(stream.headers.get('content-type')!, /^text\/event-stream/)
    const reading = stream.text()
    const { fence } = await lease(api)
    await post(api, id, 'events', { fence, data: [{ message: 'half way' }] })
    await post(api, id, 'complete', { fence })
    const text = await reading
    const messages = [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data]) => JSON.parse(data!).message)
    assert.deepEqual(messages, ['job is queued', 'job is running', 'half way', 'job is succeeded'])
    assert.ok(text.endsWith('data: [DONE]\n\n'))
    const third = [...text.matchAll(/^id: (\d+)$/gm)][2]![1]!
    const rest = await (
      await api.request(`/v1/jobs/${id}/events`, { headers: { ...accept, 'last-event-id': third } })
    ).text()
    assert.deepEqual(
      [...rest.matchAll(/"message":"([^"]*)"/g)].map(([, message]) => message),
      ['job is succeeded'],
    )
    const listed = await api.json(`/v1/jobs/${id}/events?limit=2`)
    assert.deepEqual([listed.data.length, listed.has_more], [2, true])
  })

  check('every answer has a request id, and wrong methods are told the right ones', async (api) => {
    const given = await api.request('/livez', { headers: { 'x-request-id': 'mine-1' } })
    assert.equal(given.headers.get('x-request-id'), 'mine-1')
    const cases: [string, string, number][] = [
      ['/v1/jobs', 'PUT', 405],
      ['/v1/jobs/job_1', 'PATCH', 405],
      ['/livez', 'POST', 405],
      ['/v1/nothing', 'GET', 404],
    ]
    const head = await api.request('/livez', { method: 'HEAD' })
    assert.deepEqual([head.status, await head.text()], [200, ''])
    for (const [path, method, status] of cases) {
      const response = await api.request(path, { method })
      assert.equal(response.status, status, path)
      assert.match(response.headers.get('x-request-id')!, /^req_/)
      assert.ok(((await response.json()) as { error: { message: string } }).error.message)
      if (status === 405) assert.match(response.headers.get('allow')!, /GET/)
    }
  })
}
