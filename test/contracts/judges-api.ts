/** What the API must do with judges wherever it runs: on Node and in workerd. */
import assert from 'node:assert/strict'
import type { Deps } from '../../src/service/deps.ts'
import type { TestApi } from '../helpers/test-api.ts'
import { countingJudge, studentAndData, type CountingJudge } from './api.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm', api_key: 'sk-secret' }
const item = (answer: string) => ({ question: 'q', answer })
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`)

const report = { auc: null, accuracy: null, ece: null, brier: null, reliability: [] }
const calibration = {
  ...{ rows: 40, scored: 39, abstained: 1, failed: 0, questions: 10, correct: 20 },
  map: { method: 'isotonic', x: [0, 1], y: [0.2, 0.6] },
  before: report,
  after: report,
}
const acceptance = { n: 10, accepted: 9, rate: 0.9, low: 0.6, high: 0.98, abstained: 0, failed: 0 }
const audit = {
  passed: false,
  limit: 0.1,
  threshold: 0.5,
  failures: ['empty'],
  attacks: [{ attack: 'empty', ...acceptance }],
  right: acceptance,
}

export function judgesContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: (changes?: Partial<Deps>) => Promise<TestApi & { close(): void }>,
): void {
  const check = (name: string, run: (api: TestApi, counting: CountingJudge) => Promise<void>) =>
    test(name, async () => {
      const counting = countingJudge()
      const api = await open({ judgeClient: counting.judgeClient })
      try {
        await run(api, counting)
        assert.deepEqual(api.errors, [], 'no failure of our own')
      } finally {
        api.close()
      }
    })
  const create = (api: TestApi, body: object, status = 200) =>
    api.json('/v1/judges', { json: { provider, ...body } }, status)
  const ask = async (api: TestApi, judge: string, answers: string[], status = 200, key?: string) =>
    api.json('/v1/judgments', { ...(key && { key }), json: { judge, items: answers.map(item) } }, status)

  check('scores tell what they cost and how certain they are; a replay costs nothing', async (api) => {
    await create(api, { name: 'j', price: { input: 1000, output: 2000 } })
    const { data } = await ask(api, 'j', ['5', '4', 'nothing', 'boom'])
    assert.deepEqual(
      data.map((one: { outcome: string; tokens: object; cost: number; calibrated_probability?: null }) => [
        one.outcome,
        one.tokens,
        one.cost,
        one.calibrated_probability,
      ]),
      [
        ['scored', { prompt: 9, completion: 1 }, 0.011, null],
        ['scored', { prompt: 9, completion: 1 }, 0.011, null],
        ['abstained', { prompt: 9, completion: 1 }, 0.011, undefined],
        ['failed', { prompt: 0, completion: 0 }, 0, undefined],
      ],
    )
    near(data[0].probability, 0.9)
    near(data[0].entropy, -(0.9 * Math.log(0.9) + 0.1 * Math.log(0.1)))
    const again = (await ask(api, 'j', ['5'])).data[0]
    assert.deepEqual([again.cached, again.cost, again.latency_ms], [true, 0, null])
    near((await api.json('/v1/usage')).data[0].cost, 0.033)
  })

  check('what is kept of a judge is counted, and how often that was a hit; of this tenant only', async (api) => {
    const { id } = await create(api, { name: 'j' })
    const twoWays = await create(api, { name: 'two-ways', debias: ['order'] })
    const kept = async (judge: string) => {
      const { object, judge: version, ...counts } = await api.json(`/v1/judges/${judge}/cache`)
      assert.equal(object, 'judge.cache')
      return { version, ...counts }
    }
    assert.deepEqual(await kept('j'), { version: id, entries: 0, hits: 0, misses: 0 })
    await ask(api, 'j', ['5', '5', '4', 'nothing', 'boom'])
    assert.deepEqual(await kept('j'), { version: id, entries: 2, hits: 0, misses: 4 }, 'only scores are kept')
    for (let i = 0; i < 3; i++) await ask(api, 'j', ['5', '5', 'nothing'])
    assert.deepEqual(await kept('j'), { version: id, entries: 2, hits: 3, misses: 7 })
    await ask(api, 'two-ways', ['5'])
    await ask(api, 'two-ways', ['5'])
    assert.deepEqual(await kept(twoWays.id), { version: twoWays.id, entries: 2, hits: 2, misses: 2 })
    const emptied = await api.json(`/v1/judges/${id}/cache/clear`, { method: 'POST' })
    assert.deepEqual([emptied.judge, emptied.entries, emptied.hits], [id, 0, 3])
    assert.equal((await ask(api, 'j', ['5'])).data[0].cached, false)
    assert.equal((await ask(api, 'two-ways', ['5'])).data[0].cached, true)
    assert.equal((await api.json('/v1/judges/nobody/cache', {}, 404)).error.param, 'id')
    const other = await api.json('/v1/keys', { json: { tenant: 'acme', scopes: ['judge'] } })
    await api.json(`/v1/judges/${id}/cache`, { key: other.key }, 404)
    await api.json(`/v1/judges/${id}/cache/clear`, { method: 'POST', key: other.key }, 404)
  })

  check('a judge that has spent its budget fails instead of asking, and says so', async (api, counting) => {
    // Ten tokens a call, one call at a time.
    const { id } = await create(api, { name: 'j', budget: { tokens: 25 }, concurrency: 1 })
    const { data } = await ask(api, 'j', ['51', '52', '53', '54', '55'])
    assert.deepEqual(
      data.map(({ outcome }: { outcome: string }) => outcome),
      ['scored', 'scored', 'scored', 'failed', 'failed'],
    )
    assert.match(data[4].reason, /has spent its budget of 25 tokens; raise it with PUT \/v1\/judges\/judge_\w+\/budget/)
    assert.equal(counting.asked, 3)
    assert.equal((await ask(api, 'j', ['51'])).data[0].outcome, 'scored', 'what is known costs nothing')
    assert.deepEqual((await api.json(`/v1/judges/${id}`)).spent, { tokens: 30, cost: 0 })
    const raised = await api.json(`/v1/judges/${id}/budget`, { method: 'PUT', json: { budget: { tokens: 60 } } })
    assert.deepEqual([raised.id, raised.budget], [id, { tokens: 60 }])
    assert.equal((await ask(api, 'j', ['54'])).data[0].outcome, 'scored')
    const noPrice = { method: 'PUT', json: { budget: { cost: 1 } } }
    assert.equal((await api.json(`/v1/judges/${id}/budget`, noPrice, 422)).error.param, 'budget')
    const lifted = await api.json(`/v1/judges/${id}/budget`, { method: 'PUT', json: { budget: null } })
    assert.equal(lifted.budget, undefined)
    const priced = { budget: { cost: 0.02 }, price: { input: 1000, output: 2000 }, concurrency: 1 }
    await create(api, { name: 'dear', ...priced })
    const dear = (await ask(api, 'dear', ['1', '2', '3'])).data
    assert.match(dear[2].reason, /budget of 0.02 US dollars/)
    await create(api, { budget: { cost: 1 } }, 422)
    await create(api, { budget: {} }, 422)
  })

  check('an ensemble is made of judges as they are now, and tells how they agree', async (api, counting) => {
    const ids = [(await create(api, { name: 'a' })).id, (await create(api, { name: 'b' })).id]
    const ensemble = (more: object = {}) => ({ provider: { type: 'ensemble', judges: ['a', 'b'], ...more } })
    const made = await create(api, { name: 'both', ...ensemble({ combine: 'min' }) })
    assert.deepEqual(made.provider, { type: 'ensemble', judges: ids, combine: 'min', k: 1 })
    await create(api, { name: 'a', labels: { yes: 'Right', no: 'Wrong' } })
    const answer = await ask(api, 'both', ['5', '4', 'boom'])
    assert.equal(counting.asked, 6)
    near(answer.data[0].reward, 0.9)
    assert.deepEqual(
      answer.data[0].members.map(({ judge }: { judge: string }) => judge),
      ids,
    )
    assert.match(answer.data[2].reason, /^judge_\w+ of the ensemble: the provider answered 500/)
    assert.deepEqual(answer.agreement, { items: 2, same_verdict: 1, alpha: 1 })

    const param = async (body: object) => (await create(api, body, 422)).error.param
    assert.equal(await param(ensemble({ judges: ['b', 'both'] })), 'provider.judges[1]')
    assert.equal(await param(ensemble({ judges: ['b', ids[1]] })), 'provider.judges[1]')
    assert.equal((await create(api, ensemble({ judges: ['b', 'nobody'] }), 404)).error.param, 'provider.judges[1]')
    const question = { type: 'predicate', instructions: 'It is right.' }
    const decision = { model: 'both', input: 'x', questions: [question] }
    assert.equal((await api.json('/v1/decisions', { json: decision }, 422)).error.param, 'model')
  })

  check('what does not go together is refused when the judge is created', async (api) => {
    await studentAndData(api)
    const cases: [object, string][] = [
      [{ labels: { yes: 'Yes', no: ' yes' } }, 'labels'],
      [{ template: 'rubric' }, 'rubric'],
      [{ template: 'answer-correctness', rubric: 'r' }, 'rubric'],
      [{ template: { user: '{question}{answer}{yes}' }, debias: ['order'] }, 'debias'],
      [{ template: { user: '{question}{answer}{oops}' } }, 'template.user'],
      [{ provider: { type: 'local', model: 'student', engine: 'llama.cpp' } }, 'provider.engine'],
    ]
    for (const [body, param] of cases) assert.equal((await create(api, body, 422)).error.param, param)
    for (const type of ['decisions', 'systemone']) {
      const there = { type, base_url: 'http://10.0.0.1/v1', model: 'm' }
      assert.equal((await create(api, { provider: there }, 422)).error.param, 'provider.base_url')
      const query = { type, base_url: 'https://x.example/v1?version=1', model: 'm' }
      assert.match((await create(api, { provider: query }, 422)).error.message, /must not carry a query or fragment/)
      const shown = await create(api, { provider: { ...there, base_url: 'https://x.example/v1', api_key: 'sk-1' } })
      assert.deepEqual([shown.provider.has_api_key, shown.provider.api_key], [true, undefined])
    }
  })

  check('equal judges of two tenants share no judgment', async (api, counting) => {
    const { key } = await api.json('/v1/keys', { json: { tenant: 'acme', scopes: ['admin'] } })
    await create(api, { name: 'j' })
    await api.json('/v1/judges', { key, json: { name: 'j', provider } })
    const first = await ask(api, 'j', ['5'])
    const other = await ask(api, 'j', ['5'], 200, key)
    assert.deepEqual([first.data[0].cached, other.data[0].cached, counting.asked], [false, false, 2])
    // Whatever a student writes is hashed with the judge's id, so no text can name another's entry.
    await ask(api, first.judge, ['5'], 404, key)
  })

  const lease = async (api: TestApi) => (await api.json('/v1/worker/lease', { json: { worker: 'w' } })).job
  const post = (api: TestApi, id: string, what: string, json: object, status = 200) =>
    api.json(`/v1/worker/jobs/${id}/${what}`, { json }, status)

  check('a calibration becomes the next version of its judge, secret and cache and all', async (api, counting) => {
    const dataset = await studentAndData(api)
    const { id: before } = await create(api, { name: 'j', min_label_mass: 0.3 })
    near((await ask(api, 'j', ['5'])).data[0].reward, 0.9)
    const { id } = await api.json('/v1/jobs', { json: { type: 'judge.calibrate', judge: 'j', dataset } })
    const { fence, inputs } = await lease(api)
    assert.deepEqual([inputs.model, inputs.judge.id, inputs.judge.model], [null, before, null])
    const methods = { platt: report, isotonic: report }
    await post(api, id, 'complete', { fence, result: { map: 'none' } }, 422)
    const result = { ...calibration, methods }
    await post(api, id, 'complete', { fence, result })
    await post(api, id, 'complete', { fence, result })
    const job = await api.json(`/v1/jobs/${id}`)
    const after = await api.json('/v1/judges/j')
    assert.deepEqual(
      [job.state, job.result.judge, after.version, after.min_label_mass],
      ['succeeded', after.id, 2, 0.3],
    )
    assert.deepEqual(job.result, { ...result, judge: after.id })
    assert.deepEqual([after.calibration.job, after.calibration.base], [id, before])
    assert.equal((await api.json(`/v1/judges/${before}`)).calibration, undefined)

    // 0.2 + 0.4 p, by the map above.
    const [known, asked] = (await ask(api, 'j', ['5', '4'])).data
    assert.deepEqual([known.cached, asked.cached, counting.asked], [true, false, 2])
    near(known.probability, 0.9)
    near(known.reward, 0.2 + 0.4 * 0.9)
    assert.equal(known.calibrated_probability, known.reward)
    near(asked.reward, 0.2 + (0.4 * 0.2) / 0.9)
    assert.deepEqual(counting.secrets, ['sk-secret', 'sk-secret'])
    const reward = { lambda: 0, mu: 1, judge: 'j', gate: false }
    const rewarded = await api.json('/v1/rewards', { json: { reward, items: [{ prompt: 'q', completion: '5' }] } })
    near(rewarded.data[0].reward, known.reward)
  })

  check('a calibration that found a coin is marked, in the job and with the version that it makes', async (api) => {
    const dataset = await studentAndData(api)
    const { id: coin } = await create(api, { name: 'coin' })
    const calibrate = async (more: object) => {
      const { id } = await api.json('/v1/jobs', { json: { type: 'judge.calibrate', judge: 'coin', dataset } })
      const { fence } = await lease(api)
      const result = { ...calibration, ...more, methods: { platt: report, isotonic: report } }
      await post(api, id, 'complete', { fence, result })
      return (await api.json(`/v1/jobs/${id}`)).result
    }
    const auc = { value: 0.52, low: 0.48, high: 0.57 }
    for (let i = 0; i < 2; i++) {
      const found = await calibrate({ informative: false, before: { ...report, auc } })
      const judge = await api.json('/v1/judges/coin')
      assert.deepEqual([found.informative, found.judge, judge.calibration.informative], [false, judge.id, false])
      assert.equal(judge.warnings.length, 1)
      assert.match(judge.warnings[0], /nothing to calibrate/)
    }
    assert.equal((await api.json(`/v1/judges/${coin}`)).warnings, undefined)
    await calibrate({ informative: true })
    assert.equal((await api.json('/v1/judges/coin')).warnings, undefined)
  })

  check('a judge alone is a reward: it weighs 1, by its name as well, in rewards, recipes and jobs', async (api) => {
    const { id: judge } = await create(api, { name: 'j' })
    const items = [{ prompt: 'q', completion: '5' }]
    const rewardOf = (reward: unknown) => api.json('/v1/rewards', { json: { reward, items } })
    const { data, recipe } = await rewardOf({ judge: 'j' })
    near(data[0].reward, 0.9)
    assert.deepEqual([recipe.lambda, recipe.mu, recipe.rho, recipe.judge], [0, 1, 0, judge])
    for (const named of ['j', judge, { reranker: 'j' }]) near((await rewardOf(named)).data[0].reward, 0.9)
    // Whoever is named counts, unless it is weighed.
    const both = await rewardOf({ judge: 'j', verifier: 'math' })
    assert.deepEqual([both.recipe.lambda, both.recipe.mu], [1, 1])
    near((await rewardOf({ judge: 'j', mu: 0.25, normalise: 'none' })).data[0].reward, 0.25 * 0.9)
    const refused = await api.json('/v1/rewards', { json: { reward: 'nobody', items } }, 404)
    assert.match(refused.error.message, /no reward recipe and no judge "nobody"/)
    // Where weights are given, who has none counts for nothing.
    assert.equal((await rewardOf({ lambda: 1, judge: 'j', verifier: 'math' })).recipe.mu, 0)
    const none = await api.json('/v1/rewards', { json: { reward: {}, items } }, 422)
    assert.match(none.error.message, /weigh one of them above 0/)

    const made = await api.json('/v1/recipes', { json: { name: 'taste', judge: 'j' } })
    assert.deepEqual([made.lambda, made.mu, made.rho], [0, 1, 0])
    const dataset = await studentAndData(api)
    const grpo = { type: 'grpo', model: 'student', data: { unlabelled: dataset }, config: { steps: 1 } }
    for (const reward of ['j', 'taste', { judge: 'j' }]) {
      const job = await api.json('/v1/jobs', { json: { ...grpo, reward } })
      assert.deepEqual([job.spec.reward.judge, job.spec.reward.mu], [judge, 1])
    }
    // A recipe's name goes before a judge's.
    await create(api, { name: 'taste' })
    assert.equal((await rewardOf('taste')).recipe.judge, judge)
  })

  check('an audit is kept with its judge, and one that failed keeps it from being a reward', async (api) => {
    const dataset = await studentAndData(api)
    const { id: judge } = await create(api, { name: 'j' })
    const grpo = {
      type: 'grpo',
      model: 'student',
      data: { unlabelled: dataset },
      reward: { lambda: 0, mu: 1, judge: 'j' },
      config: { steps: 1 },
    }
    const { id: early } = await api.json('/v1/jobs', { json: grpo })
    assert.equal((await lease(api)).inputs.judge.audited, false)
    const { id } = await api.json('/v1/jobs', { json: { type: 'judge.audit', judge: 'j', dataset } })
    const { fence } = await lease(api)
    const { error } = await post(api, id, 'complete', { fence, result: { accuracy: 0.61 } }, 422)
    assert.match(error.message, /^The result of a judge\.audit job: `\w+` (must be|is missing)/)
    await post(api, id, 'complete', { fence, result: audit })
    assert.deepEqual((await api.json('/v1/judges/j')).audit, { job: id, ...audit })
    assert.equal((await api.json('/v1/judges/j')).version, 1)

    const refused = (await api.json('/v1/jobs', { json: grpo }, 422)).error
    assert.equal(refused.param, 'reward.judge')
    assert.match(refused.message, /j did not pass its audit \(job_\w+\): it accepts 90\.0 % of `empty`/)
    const allowed = await api.json('/v1/jobs', { json: { ...grpo, allow_failed_audit: 'j' } })
    assert.equal(allowed.spec.allow_failed_audit, judge)
    const { id: other } = await create(api, { name: 'other' })
    await create(api, { name: 'both', provider: { type: 'ensemble', judges: ['j', 'other'] } })
    const together = { ...grpo, reward: { lambda: 0, mu: 1, judge: 'both' } }
    const member = (await api.json('/v1/jobs', { json: together }, 422)).error
    assert.match(
      member.message,
      /j, which is in the ensemble both, did not pass its audit .*`allow_failed_audit` to "both"/,
    )
    await api.json('/v1/jobs', { json: { ...together, allow_failed_audit: 'both' } })
    const wrong = await api.json('/v1/jobs', { json: { ...grpo, allow_failed_audit: other } }, 422)
    assert.equal(wrong.error.param, 'allow_failed_audit')
    assert.equal((await api.json(`/v1/jobs/${early}`)).state, 'running', 'what runs already goes on')
    // Weighed at nothing, it does no harm.
    const labelled = { labelled: dataset }
    await api.json('/v1/jobs', {
      json: { ...grpo, data: labelled, reward: { lambda: 1, verifier: 'math', judge: 'j' } },
    })
  })

  check('the worker of a job may ask the judges of its ensemble', async (api) => {
    const dataset = await studentAndData(api)
    const { id: member } = await create(api, { name: 'a' })
    const { id: other } = await create(api, { name: 'c' })
    await create(api, { name: 'b' })
    await create(api, { name: 'both', provider: { type: 'ensemble', judges: ['a', 'b'] } })
    const { id } = await api.json('/v1/jobs', { json: { type: 'judge.audit', judge: 'both', dataset } })
    const { fence, inputs } = await lease(api)
    assert.equal(inputs.judge.ensemble.members[0].id, member)
    const items = [item('5')]
    assert.equal((await post(api, id, 'judgments', { fence, judge: member, items })).data[0].outcome, 'scored')
    await post(api, id, 'judgments', { fence, judge: other, items }, 422)
  })

  /** A job of a key with this budget, under lease. */
  async function jobOf(api: TestApi, budget: object) {
    const dataset = await studentAndData(api)
    const mine = await api.json('/v1/keys', { json: { scopes: ['judge', 'train'], budget } })
    const spec = { type: 'judge.audit', judge: 'j', dataset }
    const { id } = await api.json('/v1/jobs', { key: mine.key, json: spec })
    const { fence } = await lease(api)
    const judge = (answers: string[], status = 200) =>
      post(api, id, 'judgments', { fence, judge: judgeId, items: answers.map(item) }, status)
    const { id: judgeId } = await api.json('/v1/judges/j')
    return { id, fence, mine, judgeId, judge }
  }

  check('a job spends the budget of the key that made it, stops where that ends, and can go on', async (api) => {
    await create(api, { name: 'j' })
    const { id, fence, mine, judgeId, judge } = await jobOf(api, { items: 4, per: 'day' })
    await judge(['5', '4'])
    await ask(api, 'j', ['5', '6'], 200, mine.key)
    const { error } = await judge(['51', '52'], 429)
    assert.equal(error.code, 'budget_spent')
    assert.match(error.message, /key that made this job is 4 items a day; 3 are used.*resume the job then/)
    await ask(api, 'j', ['51', '52'], 429, mine.key)

    const { data } = await api.json('/v1/usage', { key: mine.key })
    assert.deepEqual(
      data.map(({ key, job, judge, items }: Record<string, unknown>) => [key, job, judge, items]),
      [
        [mine.id, null, judgeId, 2],
        [mine.id, id, judgeId, 2],
      ],
    )
    assert.equal(
      (await post(api, id, 'fail', { fence, error: { code: error.code, message: error.message } })).state,
      'failed',
    )
    assert.equal((await api.json(`/v1/jobs/${id}`)).error.message, error.message)
    api.clock.time += 86_400_000
    await api.json(`/v1/keys/${mine.id}`, { method: 'DELETE' })
    await api.json(`/v1/jobs/${id}/resume`, { method: 'POST' })
    const again = await lease(api)
    const later = (answers: string[], status = 200) =>
      post(api, id, 'judgments', { fence: again.fence, judge: judgeId, items: answers.map(item) }, status)
    await later(['51', '52'])
    await later(['51', '52'])
    await later(['53', '54', '55'], 429)
    const never = await later(['53', '54', '55', '56', '57'], 413)
    assert.match(never.error.message, /5 answers .*4 items a day: it can never go on/)
  })

  check(
    'a judge that has spent its budget ends the call of a job, and what it scored is kept',
    async (api, counting) => {
      await create(api, { name: 'j', budget: { tokens: 15 }, concurrency: 1 })
      const { judgeId, judge } = await jobOf(api, { items: 100, per: 'day' })
      const { error } = await judge(['51', '52', '53'], 429)
      assert.equal(error.code, 'budget_spent')
      assert.match(error.message, /raise it with PUT \/v1\/judges\/judge_\w+\/budget/)
      assert.equal(counting.asked, 2)
      await api.json(`/v1/judges/${judgeId}/budget`, { method: 'PUT', json: { budget: { tokens: 100 } } })
      const { data } = await judge(['51', '52', '53'])
      assert.deepEqual(
        data.map(({ outcome, cached }: Record<string, unknown>) => [outcome, cached]),
        [
          ['scored', true],
          ['scored', true],
          ['scored', false],
        ],
      )
    },
  )

  check('what a worker uses of a local judge is entered and counts like any other', async (api) => {
    await api.json('/v1/models', { json: { name: 'small', source: { type: 'local', path: '/models/small' } } })
    const local = { provider: { type: 'local', model: 'small' }, price: { input: 1000, output: 0 } }
    await create(api, { name: 'j', ...local, budget: { tokens: 50 } })
    const { id, fence, mine, judgeId } = await jobOf(api, { items: 6, per: 'day' })
    const note = (report: number, more: object, status = 200) =>
      post(api, id, 'judge-usage', { fence, report, judge: judgeId, ...more }, status)
    await note(1, { items: 4 })
    await note(2, { abstained: 1, prompt_tokens: 40 })
    await note(2, { abstained: 1, prompt_tokens: 40 })
    assert.match((await note(3, { items: 3 }, 429)).error.message, /6 items a day; 4 are used/)
    await note(3, { items: 2 })
    await note(3, { items: 2 })
    await note(4, { prompt_tokens: 20 })
    await note(1, { items: 4 })
    const { data } = await api.json('/v1/usage', { key: mine.key })
    assert.deepEqual([data.length, data[0].job, data[0].items, data[0].abstained], [1, id, 6, 1])
    assert.deepEqual([data[0].prompt_tokens, data[0].cost], [60, 0.06])
    assert.deepEqual((await api.json('/v1/judges/j')).spent, { tokens: 60, cost: 0.06 })
    api.clock.time += 86_400_000
    const renewed = (await lease(api)).fence
    const spent = await post(api, id, 'judge-usage', { fence: renewed, report: 1, judge: judgeId, items: 1 }, 429)
    assert.match(spent.error.message, /has spent its budget of 50 tokens/)
    const other = await create(api, { name: 'other' })
    await post(api, id, 'judge-usage', { fence: renewed, report: 1, judge: other.id, items: 1 }, 422)
    await post(api, id, 'judge-usage', { fence, report: 5, judge: judgeId, items: 1 }, 409)
  })
}
