import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgeBody } from '../../../src/service/database.ts'
import { jobInputs, judgesOf } from '../../../src/service/jobs/job-inputs.ts'
import { sftJob, studentAndData, TRAINING } from '../../contracts/api.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
const config = { ...TRAINING, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 9, max_new_tokens: 9 }
const { group_size: _, ...ppoConfig } = config

async function withData(run: (app: TestApp, dataset: string) => Promise<void>): Promise<void> {
  const app = await testApp()
  try {
    await run(app, await studentAndData(app))
  } finally {
    app.close()
  }
}
const specOf = async ({ deps }: TestApp, id: string) =>
  (await deps.database.jobs.get(id))!.spec as Record<string, unknown>

test('names become ids, and all else of a spec is kept as it was given', () =>
  withData(async (app, dataset) => {
    const { id: judge } = await app.json('/v1/judges', { json: { name: 'j', provider } })
    const { id: model } = await app.json('/v1/models/student')
    const reward = { lambda: 1, mu: 1, verifier: 'math', judge: 'j' }
    const common = { name: 'mine', model: 'student', prompt_template: 'Q: {prompt}' }
    const kinds = {
      grpo: { ...common, data: { labelled: 'pairs', unlabelled: 'pairs' }, reward, config: { ...config, seed: 77 } },
      ppo: { ...common, data: { labelled: 'pairs' }, reward, config: { ...ppoConfig, seed: 77 } },
      eval: { ...common, dataset: 'pairs', verifier: 'math', judge: 'j', config: { max_new_tokens: 9, seed: 77 } },
      sft: { ...sftJob('pairs'), ...common, config: { ...TRAINING, batch_size: 2, max_tokens: 64, seed: 77 } },
    }
    for (const [type, given] of Object.entries(kinds)) {
      const { id } = await app.json('/v1/jobs', { json: { ...given, type } })
      const spec = await specOf(app, id)
      assert.deepEqual([spec.type, spec.model, spec.prompt_template], [type, model, 'Q: {prompt}'], type)
      assert.equal((spec.config as { seed: number }).seed, 77, type)
      if (type === 'grpo') assert.deepEqual(spec.data, { labelled: dataset, unlabelled: dataset })
      if (type === 'grpo' || type === 'ppo') assert.deepEqual((spec.reward as { judge: string; verifier: string }).judge, judge) // prettier-ignore
      if (type === 'eval') assert.deepEqual([spec.dataset, spec.judge, spec.verifier], [dataset, judge, 'math'])
      if (type === 'sft') assert.equal(spec.dataset, dataset)
    }
  }))

test('rows are looked at when a job is made: the first that are of no use are named, and why', () =>
  withData(async (app) => {
    const upload = async (name: string, ...rows: object[]) => {
      const body = rows.map((row) => JSON.stringify(row)).join('\n')
      await app.json(`/v1/datasets?name=${name}`, { body, headers: { 'content-type': 'application/jsonl' } })
    }
    const refused = async (json: object) => (await app.json('/v1/jobs', { json }, 422)).error as { param: string; message: string } // prettier-ignore
    const good = { prompt: '1+1?', completion: '2', answer: '2' }
    const said = (role: string, content: string) => ({ role, content })

    await upload('some', good, { prompt: 'a' }, good, { prompt: 'b' })
    const some = await refused(sftJob('some'))
    assert.match(
      some.message,
      /`dataset`: 2 of the 4 rows of ds_\w+ have no `completion`, .* one here \(lines 2, 4\)\.$/,
    )
    const unanswered = { type: 'eval', model: 'student', dataset: 'some', verifier: 'math' }
    assert.match((await refused(unanswered)).message, /2 of the 4 rows of ds_\w+ have no `answer`.*\(lines 2, 4\)/)

    const empty = { prompt: 'c', completion: '' }
    await upload('empty', good, empty, good, ...Array.from({ length: 6 }, () => empty))
    const { param, message } = await refused(sftJob('empty'))
    assert.equal(param, 'dataset')
    assert.match(message, /a row of ds_\w+ is of no use \(lines 2, 4, 5, 6, 7 …\): its completion is empty; give it/)

    await upload('both', { messages: [said('user', 'x'), said('assistant', 'y')], completion: 'y' })
    assert.match((await refused(sftJob('both'))).message, /line 1\): .* keep one of them/)

    await upload('silent', good, { messages: [said('assistant', 'Hello')], answer: '1' })
    const rl = { model: 'student', reward: { lambda: 1, verifier: 'math' }, config }
    for (const type of ['grpo', 'ppo']) {
      const own = type === 'ppo' ? ppoConfig : config
      const silent = await refused({ ...rl, type, data: { labelled: 'silent' }, config: own })
      assert.deepEqual([silent.param, /line 2\): its `messages` ask nothing/.test(silent.message)], ['data.labelled', true]) // prettier-ignore
    }
    const canary = await refused({ ...rl, type: 'grpo', data: { labelled: 'pairs', canary: 'silent' } })
    assert.equal(canary.param, 'data.canary')
    assert.equal((await refused({ type: 'eval', model: 'student', dataset: 'silent', verifier: 'math' })).param, 'dataset') // prettier-ignore
  }))

test('a run rolls back to looks at a canary, and goes on by a recipe that would have been taken from the first', () =>
  withData(async (app) => {
    const headers = { 'content-type': 'application/jsonl' }
    await app.json('/v1/datasets?name=held', { body: '{"prompt":"3+3?","answer":"6"}', headers })
    const { id: judge } = await app.json('/v1/judges', { json: { name: 'j', provider } })
    const { id: other } = await app.json('/v1/judges', { json: { name: 'other', provider } })
    const shown = { name: 'shown', provider, template: 'answer-correctness-with-reference' }
    await app.json('/v1/judges', { json: shown })
    const rolling = {
      type: 'grpo',
      model: 'student',
      data: { labelled: 'pairs', unlabelled: 'pairs', canary: 'held' },
      reward: { lambda: 1, mu: 1, verifier: 'math', judge: 'j' },
      fallback_reward: { lambda: 3, mu: 1, verifier: 'math', judge: 'other' },
      config: { ...config, on_hacking: 'rollback' },
    }
    const refused = async (changes: object, param: string, message: RegExp, code = 422) => {
      const { error } = await app.json('/v1/jobs', { json: { ...rolling, ...changes } }, code)
      assert.equal(error.param, param, error.message)
      assert.match(error.message, message)
    }
    await refused({ data: { labelled: 'pairs' } }, 'config.on_hacking', /goes back to the best look at the canary/)
    await refused({ config: { ...rolling.config, canary_every: 0 } }, 'config.on_hacking', /canary_every above 0/)
    await refused({ config }, 'fallback_reward', /set `config.on_hacking` to "rollback"/)
    await refused({ fallback_reward: { judge: 'nobody' } }, 'fallback_reward.judge', /nobody/, 404)
    await refused({ fallback_reward: { judge: 'shown' } }, 'fallback_reward.judge', /shows a reference answer/)
    await refused({ fallback_reward: { verifier: 'exact' } }, 'fallback_reward.verifier', /another verifier/)
    await refused(
      { fallback_reward: { verifier: 'math' }, data: { unlabelled: 'pairs', canary: 'held' } },
      'data.labelled',
      /`fallback_reward` weighs only the verifier/,
    )
    const { id } = await app.json('/v1/jobs', { json: rolling })
    const spec = await specOf(app, id)
    assert.deepEqual((spec.fallback_reward as { judge: string }).judge, other)
    const inputs = await jobInputs(app.deps, (await app.deps.database.jobs.get(id))!, async (key) => key)
    assert.deepEqual([inputs.judge!.id, inputs.fallback!.judge!.id, inputs.fallback!.reranker], [judge, other, null])
    assert.deepEqual(judgesOf({ spec } as never), [judge, other])
    const plain = await app.json('/v1/jobs', { json: { ...rolling, fallback_reward: undefined } })
    const row = (await app.deps.database.jobs.get(plain.id))!
    assert.equal((await jobInputs(app.deps, row, async (key) => key)).fallback, undefined)
  }))

test('validation is a share, or a dataset that is not trained on; its rows are looked at and sent to the worker', () =>
  withData(async (app, dataset) => {
    const headers = { 'content-type': 'application/jsonl' }
    const row = '{"prompt":"3+3?","completion":"6"}'
    const { id: held } = await app.json('/v1/datasets?name=held', { body: row, headers })
    await app.json('/v1/datasets?name=bare', { body: '{"prompt":"x"}', headers })
    const job = (more: object, changes: object = {}) => ({ ...sftJob('pairs'), ...more, config: { ...TRAINING, ...changes } }) // prettier-ignore
    const refused = async (json: object, param: string, message: RegExp) => {
      const { error } = await app.json('/v1/jobs', { json }, 422)
      assert.equal(error.param, param, error.message)
      assert.match(error.message, message)
    }
    await refused(job({ validation: 'pairs' }), 'validation', /is trained on, too/)
    await refused(job({ validation: dataset }), 'validation', /is trained on, too/)
    await refused(job({ validation: 'bare' }), 'validation', /have no `completion`/)
    await refused(
      { ...job({ validation: 0.5 }), dataset: 'held' },
      'dataset',
      /has 1 row, of which none can be held out/,
    )
    await refused(job({}, { early_stop: { patience: 1 } }), 'config.early_stop', /goes by the loss on `validation`/)
    assert.equal((await app.json('/v1/jobs', { json: job({ validation: 'none' }) }, 404)).error.param, 'validation')

    const { id } = await app.json('/v1/jobs', { json: job({ validation: 'held' }, { early_stop: { patience: 3 } }) })
    const spec = await specOf(app, id)
    assert.deepEqual([spec.validation, (spec.config as { early_stop: object }).early_stop], [held, { patience: 3, min_delta: 0 }]) // prettier-ignore
    const { job: leased } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
    assert.deepEqual([leased.id, Object.keys(leased.inputs.datasets)], [id, ['dataset', 'validation']])
    await app.json(`/v1/datasets/${held}`, { method: 'DELETE' }, 409)

    const share = await app.json('/v1/jobs', { json: job({ validation: 0.5 }) })
    assert.equal((await specOf(app, share.id)).validation, 0.5)
    const next = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
    assert.deepEqual(Object.keys(next.job.inputs.datasets), ['dataset'])
  }))

test('a judge that failed its audit is refused with what it accepts, unless the job names it', () =>
  withData(async (app) => {
    const ids: string[] = []
    for (const name of ['fooled', 'sound']) ids.push((await app.json('/v1/judges', { json: { name, provider } })).id)
    const { id: ensemble } = await app.json('/v1/judges', { json: { name: 'both', provider: { type: 'ensemble', judges: ids } } }) // prettier-ignore
    const audit = (passed: boolean) => ({
      job: 'job_audit', passed, limit: 0.1, threshold: 0.5, failures: passed ? [] : ['empty', 'very_long', 'whitespace'],
      attacks: [{ attack: 'empty', rate: 0.255 }, { attack: 'very_long', rate: null }], right: { rate: 0.9 },
    }) as unknown as JudgeBody['audit'] // prettier-ignore
    const { judges } = app.deps.database
    await judges.annotate('default', ids[0]!, { audit: audit(false)! })
    const grpo = (more: object, rest: object = {}) => ({
      type: 'grpo', model: 'student', data: { labelled: 'pairs' }, config, ...rest,
      reward: { lambda: 1, verifier: 'math', ...more },
    }) // prettier-ignore
    const refused = async (json: object, param: string) => {
      const { error } = await app.json('/v1/jobs', { json }, 422)
      assert.deepEqual([error.code, error.param], ['unprocessable', param])
      return error.message as string
    }
    const message = await refused(grpo({ mu: 1, judge: 'fooled' }), 'reward.judge')
    assert.match(message, /fooled did not pass its audit \(job_audit\): it accepts 25\.5 % of `empty`, 0\.0 % of `very_long`, 0\.0 % of `whitespace`, and 90\.0 % of right/) // prettier-ignore
    await refused(grpo({ rho: 1, reranker: 'fooled' }), 'reward.reranker')
    assert.match(
      await refused(grpo({ mu: 1, judge: 'both' }), 'reward.judge'),
      /fooled, which is in the ensemble both, did/,
    )
    // Without weight it is no reward.
    await app.json('/v1/jobs', { json: grpo({ mu: 0, judge: 'fooled' }) })
    await app.json('/v1/jobs', { json: grpo({ mu: 1, judge: 'sound' }) })
    const { id } = await app.json('/v1/jobs', {
      json: grpo({ mu: 1, judge: 'fooled' }, { allow_failed_audit: 'fooled' }),
    })
    assert.equal((await specOf(app, id)).allow_failed_audit, ids[0])
    await app.json('/v1/jobs', { json: grpo({ mu: 1, judge: 'both' }, { allow_failed_audit: 'both' }) })
    await refused(grpo({ mu: 1, judge: 'both' }, { allow_failed_audit: 'fooled' }), 'allow_failed_audit')
    // An ensemble that passed its own audit is a judge of its own.
    await judges.annotate('default', ensemble, { audit: audit(true)! })
    await app.json('/v1/jobs', { json: grpo({ mu: 1, judge: 'both' }) })
  }))

test('the same key makes one job; another body under it is refused', () =>
  withData(async (app, dataset) => {
    const headers = { 'idempotency-key': 'k1' }
    const make = (more: object = {}, status = 200) =>
      app.json('/v1/jobs', { json: sftJob(dataset, more), headers }, status)
    const { id } = await make()
    assert.equal((await make()).id, id)
    const { error } = await make({ name: 'other' }, 409)
    assert.deepEqual([error.code, error.param], ['conflict', 'Idempotency-Key'])
  }))

test('an eval without verifier and judge has nothing to measure by', () =>
  withData(async (app) => {
    const json = { type: 'eval', model: 'student', dataset: 'pairs', config: { max_new_tokens: 9 } }
    const { error } = await app.json('/v1/jobs', { json }, 422)
    assert.deepEqual([error.code, error.param], ['unprocessable', 'verifier'])
    assert.match(error.message, /^`verifier` is missing: give a verifier .* a judge, or both\.$/)
  }))

test('answers that cannot be read, because their file is gone, are refused before the job is made', () =>
  withData(async (app, dataset) => {
    const { blobs } = app.deps
    for (const { key } of await blobs.list('tenants/default/datasets/')) await blobs.delete(key)
    const json = { type: 'eval', model: 'student', dataset: 'pairs', verifier: 'math', config: { max_new_tokens: 9 } }
    const { error } = await app.json('/v1/jobs', { json }, 404)
    assert.deepEqual([error.code, error.param], ['not_found', 'dataset'])
    assert.equal(error.message, `The file of ${dataset} is gone from the object store. Upload it again.`)
  }))

test('where a job is made, a bell tells who waits for one', async () => {
  let rings = 0
  const app = await testApp({
    bell: { ring: () => void rings++, listen: () => ({ next: async () => {}, close() {} }) },
  })
  const dataset = await studentAndData(app)
  assert.equal(rings, 0)
  await app.json('/v1/jobs', { json: sftJob(dataset) })
  await app.json('/v1/jobs', { json: sftJob('nothing') }, 404)
  assert.equal(rings, 1)
  app.close()
})

test('rows need answers where a judge, or one of an ensemble, is shown them', () =>
  withData(async (app) => {
    await app.json('/v1/datasets?name=bare', { body: '{"prompt":"1+1?"}', headers: { 'content-type': 'application/jsonl' } }) // prettier-ignore
    const made = async (name: string, more: object) => app.json('/v1/judges', { json: { name, ...more } })
    await made('blind', { provider })
    await made('blind2', { provider })
    await made('seeing', { provider, template: 'answer-correctness-with-reference' })
    for (const other of ['seeing', 'blind2'])
      await made(`with-${other}`, { provider: { type: 'ensemble', judges: ['blind', other] } })
    const asked = (judge: string, status: number) =>
      app.json('/v1/jobs', { json: { type: 'eval', model: 'student', dataset: 'bare', judge, config: { max_new_tokens: 9 } } }, status) // prettier-ignore
    for (const judge of ['blind', 'with-blind2']) await asked(judge, 200)
    for (const judge of ['seeing', 'with-seeing']) assert.equal((await asked(judge, 422)).error.param, 'dataset', judge)
  }))
