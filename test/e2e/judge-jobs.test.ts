/** Calibrating and auditing judges by real workers: the demo's two, which look alike until they are audited. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { problems } from '../../demo/problems.ts'
import { JUDGE } from '../../demo/recipe.ts'
import { carelessSolution, goldText } from '../../demo/solutions.ts'
import { all, type ApiError } from '../../src/client.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import type { JudgeAuditResult, JudgeCalibrateResult } from '../../src/core/schemas/judge-jobs.ts'
import { startProviderServer, type ProviderServer } from '../adapters/judges/provider-server.ts'
import { startService, type Service } from './service.ts'
import { inState, MODELS } from './training-jobs.ts'

const AUDIT = { rows: 40, seed: 1 }
/** Their context is short, and they answer whatever they are asked. */
const TINY = { min_label_mass: 0, max_answer_chars: 200 }
let service: Service
let provider: ProviderServer

before(async () => {
  provider = await startProviderServer()
  service = await startService()
  const { api } = service
  await api.models.create({ name: 'student', source: { type: 'local', path: join(MODELS, 'student') } })
  for (const name of ['judge', 'judge-weak']) {
    await api.models.create({ name, source: { type: 'local', path: join(MODELS, name) } })
    await api.judges.create({ name, provider: { type: 'local', model: name }, ...JUDGE, ...TINY })
  }
  const base_url = `${provider.url}/v1`
  await api.judges.create({ name: 'remote', provider: { type: 'openai', base_url, model: 'm', api_key: 'sk-0' } })
  await api.judges.create({ name: 'both', provider: { type: 'ensemble', judges: ['judge', 'remote'], combine: 'min' } })
  const asked = problems({ seed: 31_338, count: 150, heldout: true })
  const upload = (name: string, rows: object[]) =>
    api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  const rng = new SeededRng(5)
  const careless = { low: 0.05, high: 0.6, slip: 0.06 }
  await upload(
    'graded',
    asked.flatMap((problem) =>
      [0, 1, 2].map(() => {
        const { text, correct } = carelessSolution(problem, rng, careless)
        return { prompt: problem.question, completion: text, correct }
      }),
    ),
  )
  await upload(
    'solved',
    asked.map((p) => ({ prompt: p.question, answer: String(p.answer), completion: goldText(p) })),
  )
  await upload('prompts', asked.slice(0, 8).map(({ question }) => ({ prompt: question }))) // prettier-ignore
  service.startWorker()
})
after(async () => {
  await service.close()
  await provider.close()
})

const audited = async (judge: string, config: object = AUDIT) => {
  const { id } = await service.api.jobs.create({ type: 'judge.audit', judge, dataset: 'solved', config })
  const job = await inState(service.api, id, 'succeeded', 'failed')
  assert.equal(job.state, 'succeeded', JSON.stringify(job.error))
  return { job: id, result: job.result as unknown as JudgeAuditResult }
}
const rateOf = ({ attacks }: JudgeAuditResult, attack: string) =>
  attacks.find((found) => found.attack === attack)!.rate!

test('an audit tells the judge that is fooled from the one that is not, and is kept with it', async () => {
  const { api } = service
  const weak = await audited('judge-weak')
  const strong = await audited('judge')
  // What it was never taught: a question of the student's own, rightly solved. `gavel judge harden` cures that.
  const { failures } = strong.result
  assert.ok(
    failures.every((attack) => attack === 'template_continued' || attack === 'other_question'),
    `${failures}`,
  )
  assert.equal(weak.result.passed, false)
  for (const cheat of ['empty', 'whitespace', 'master_key', 'question_repeated'] as const) {
    assert.ok(weak.result.failures.includes(cheat), cheat)
    assert.ok(rateOf(weak.result, cheat) > 0.8 && rateOf(strong.result, cheat) < 0.1, cheat)
  }
  assert.deepEqual((await api.judges.get('judge-weak')).audit, { job: weak.job, ...weak.result })
  assert.deepEqual((await audited('judge')).result, strong.result, 'the same seed, the same attacks')
  const samples = await all(api.jobs.samples(weak.job))
  assert.ok(samples.length > 0 && samples.every(({ reward }) => reward! >= 0.5), 'what fooled it can be read')
})

test('a judge that did not pass is refused as a reward, unless the job names it', async () => {
  const { api } = service
  const job = {
    type: 'grpo',
    model: 'student',
    data: { unlabelled: 'prompts' },
    reward: { lambda: 0, mu: 1, judge: 'judge-weak' },
    config: { steps: 1, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 96, max_new_tokens: 8 },
  } as const
  await assert.rejects(api.jobs.create(job), (error: ApiError) => {
    assert.deepEqual([error.status, error.param], [422, 'reward.judge'])
    assert.match(error.message, /did not pass its audit \(job_\w+\): it accepts 100\.0 % of `empty`/)
    assert.match(error.message, /set `allow_failed_audit` to "judge-weak"/)
    return true
  })
  await assert.rejects(api.jobs.create({ ...job, allow_failed_audit: 'judge' }), /names another judge than the recipe/)
  const allowed = await api.jobs.create({ ...job, allow_failed_audit: 'judge-weak' })
  const unaudited = await api.jobs.create({ ...job, reward: { ...job.reward, judge: 'remote' } })
  const warnings = async (id: string) => {
    const { state, error } = await inState(api, id, 'succeeded', 'failed')
    assert.equal(state, 'succeeded', JSON.stringify(error))
    const events = await all(api.jobs.events(id))
    return events.filter(({ level, message }) => level === 'warning' && message.includes('never audited'))
  }
  assert.equal((await warnings(allowed.id)).length, 0)
  assert.equal((await warnings(unaudited.id)).length, 1)
})

const calibrated = async (judge: string) => {
  const { api } = service
  const spec = { type: 'judge.calibrate', judge, dataset: 'graded', config: { bootstrap: 200, limit: 210 } } as const
  const job = await inState(api, (await api.jobs.create(spec)).id, 'succeeded', 'failed')
  assert.equal(job.state, 'succeeded', JSON.stringify(job.error))
  return { job: job.id, result: job.result as unknown as JudgeCalibrateResult & { judge: string } }
}

test('calibrating a local judge makes its next version, whose rewards are the calibrated ones', async () => {
  const { api } = service
  const { id: before } = await api.judges.get('judge')
  const { job, result } = await calibrated('judge')
  assert.deepEqual([result.rows, result.scored, result.questions, result.failed], [210, 210, 70, 0])
  assert.ok(result.before.auc!.value > 0.9 && result.before.auc!.low < result.before.auc!.value)
  const { id, version, calibration, audit } = await api.judges.get('judge')
  assert.deepEqual([id, version, calibration!.job, calibration!.base, audit], [result.judge, 2, job, before, undefined])
  const again = await calibrated('judge')
  assert.deepEqual(again.result.map, result.map, 'a map is from what the judge said, not from what was made of it')
  assert.equal((await api.judges.get('judge')).calibration!.base, before)
})

test('judges that are asked through the API, and ensembles of both kinds, are calibrated alike', async () => {
  const { api } = service
  const remote = await calibrated('remote')
  // The server says one half of everything: there is nothing to learn but the share that is right.
  assert.equal(remote.result.before.auc!.value, 0.5)
  assert.ok(remote.result.after.ece!.value < Math.min(0.1, remote.result.before.ece!.value), 'better, on rows held out')
  const [score] = await api.judge(remote.result.judge, [{ question: 'q', answer: 'a' }])
  assert.ok(score!.outcome === 'scored' && Math.abs(score!.probability - 0.5) < 1e-9)
  const share = remote.result.correct / remote.result.scored
  assert.ok(Math.abs(score!.reward - share) < 0.02 && score!.calibrated_probability === score!.reward)
  const { received } = provider
  assert.ok(
    received.every(({ headers }) => headers.authorization === 'Bearer sk-0'),
    'the secret went along',
  )

  const both = await calibrated('both')
  assert.ok(both.result.before.auc!.value > 0.8 && both.result.failed === 0)
})
