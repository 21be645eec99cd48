import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import type { Deps } from '../../../src/service/deps.ts'
import { askJudge, labelTokensOf, noteUse, openJudge, showJudgments } from '../../../src/service/judges/ask-judge.ts'
import { countingJudge } from '../../contracts/api.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const asking = { tenant: 'default', key: 'key_1' }
const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
const item = (answer: string) => ({ question: 'q', answer })

/** An API with the judges `j` and `k` (one with a price), and `pair` of both. */
async function withJudges(run: (app: TestApp, asked: () => number) => Promise<void>, changes: Partial<Deps> = {}) {
  const counting = countingJudge()
  const app = await testApp({ judgeClient: counting.judgeClient, ...changes })
  try {
    await app.json('/v1/judges', { json: { name: 'j', provider, price: { input: 1000, output: 3000 } } })
    await app.json('/v1/judges', { json: { name: 'k', provider: { ...provider, model: 'n' } } })
    await app.json('/v1/judges', { json: { name: 'l', provider, price: { input: 2000, output: 0 } } })
    const ensemble = (judges: string[]) => ({ type: 'ensemble', judges })
    await app.json('/v1/judges', { json: { name: 'pair', provider: ensemble(['j', 'k']) } })
    await app.json('/v1/judges', { json: { name: 'priced', provider: ensemble(['j', 'l']) } })
    await app.json('/v1/judges', { json: { name: 'free', provider: ensemble(['k', 'k2']) } }, 404)
    await run(app, () => counting.asked)
  } finally {
    app.close()
  }
}
const usedBy = async ({ deps }: TestApp) => (await deps.ledger.spent(asking, '2026-01-01')).items

test('an ensemble asks each of its judges, and costs what those cost that have a price', () =>
  withJudges(async ({ deps }, asked) => {
    const { scored } = await askJudge(deps, asking, 'pair', 'judge', [item('5')])
    assert.equal(asked(), 2)
    assert.deepEqual(scored[0]!.members?.map(({ outcome }) => outcome), ['scored', 'scored']) // prettier-ignore
    // Nine tokens in and one out: (9 · 1000 + 3000) / 10⁶.
    assert.equal(scored[0]!.cost, 0.012)
    assert.equal((await deps.ledger.spent(asking, '2026-01-01')).cost, 0.012)
    const { scored: both } = await askJudge(deps, asking, 'priced', 'judge', [item('6')])
    assert.ok(Math.abs(both[0]!.cost! - (0.012 + 0.018)) < 1e-12)
    const { scored: one } = await askJudge(deps, asking, 'k', 'judge', [item('6')])
    assert.deepEqual([one[0]!.cost, one[0]!.members], [null, undefined])
  }))

test('answers come as a whole list; what failed or was not answered has no number', () =>
  withJudges(async ({ deps }) => {
    const items = [item('5'), item('nothing'), item('boom')]
    const shown = showJudgments(await askJudge(deps, asking, 'j', 'judge', items))
    assert.deepEqual([shown.object, shown.has_more, 'agreement' in shown], ['list', false, false])
    const [scored, abstained, failed] = shown.data
    assert.ok(scored?.outcome === 'scored' && Math.abs(scored.reward - 0.9) < 1e-12)
    assert.equal(scored.calibrated_probability, null)
    // −0.9 ln 0.9 − 0.1 ln 0.1
    assert.ok(Math.abs(scored.entropy - 0.3250829733914482) < 1e-9)
    assert.deepEqual([scored.cached, scored.tokens, scored.cost], [false, { prompt: 9, completion: 1 }, 0.012])
    assert.deepEqual([abstained!.outcome, abstained!.reward, abstained!.probability], ['abstained', null, null])
    assert.ok(Math.abs(abstained!.label_mass! - 0.2) < 1e-12)
    assert.deepEqual([failed!.outcome, failed!.reward, failed!.label_mass], ['failed', null, null])
    assert.ok('agreement' in showJudgments(await askJudge(deps, asking, 'pair', 'judge', items)))
  }))

test('items are held while they are judged, and let go however that ended', () =>
  withJudges(async (app) => {
    const limited = { ...asking, budget: { items: 10, per: 'day' as const } }
    await askJudge(app.deps, limited, 'j', 'judge', [item('5'), item('6')])
    assert.equal(await usedBy(app), 2)
    const abort = AbortSignal.abort(new Error('hung up'))
    await assert.rejects(askJudge(app.deps, limited, 'j', 'judge', [item('7')], { signal: abort }), /hung up/)
    assert.ok((await usedBy(app)) <= 3)
    await askJudge(app.deps, limited, 'j', 'judge', [item('5'), item('6')])
    const [known, held] = [await app.deps.ledger.spent(asking, '2026-01-01'), await usedBy(app)]
    assert.deepEqual([known.cached, held], [2, known.items])
  }))

test('of a request that was given up in the middle, what was answered counts, and the caller gets the reason', async () => {
  const stop = new AbortController()
  const counting = countingJudge()
  const judgeClient: Deps['judgeClient'] = (...given) => {
    const client = counting.judgeClient(...given)
    return {
      ...client,
      async firstTokenLogprobs(requests, signal) {
        if (counting.asked > 0) stop.abort(new Error('hung up'))
        signal?.throwIfAborted()
        return client.firstTokenLogprobs(requests, signal)
      },
    }
  }
  await withJudges(
    async (app) => {
      const items = Array.from({ length: 300 }, (_, i) => item(`${i}`))
      await assert.rejects(askJudge(app.deps, asking, 'j', 'judge', items, { signal: stop.signal }), /hung up/)
      const used = await app.deps.ledger.spent(asking, '2026-01-01')
      assert.deepEqual([used.items, used.failed, used.promptTokens], [256, 0, 256 * 9])
    },
    { judgeClient },
  )
})

test('a judge that can never be asked is an error; one that cannot be asked just now fails its items', async () => {
  const failing = (code: 'unavailable_here' | 'judge_unreachable') =>
    withJudges(
      async ({ deps }) => {
        const { scored } = await askJudge(deps, asking, 'j', 'judge', [item('5'), item('6')])
        assert.deepEqual(scored.map(({ outcome }) => outcome), ['failed', 'failed']) // prettier-ignore
      },
      {
        judgeClient: () => {
          throw new GavelError(code, 'no')
        },
      },
    )
  await assert.rejects(failing('unavailable_here'), { code: 'unavailable_here', message: 'no' })
  await failing('judge_unreachable')
})

test('where a judge’s budget runs out, a request gets failed items, and a job gets an error', () =>
  withJudges(async ({ deps, ...app }) => {
    const json = { name: 'capped', provider, budget: { tokens: 10 }, concurrency: 1 }
    await app.json('/v1/judges', { json })
    const outcomes = async (of: object, ...answers: string[]) =>
      (await askJudge(deps, { ...asking, ...of }, 'capped', 'judge', answers.map(item))).scored.map(({ outcome }) => outcome) // prettier-ignore
    assert.deepEqual(await outcomes({ job: 'job_1' }, '5'), ['scored'])
    assert.deepEqual(await outcomes({}, '5', '6'), ['scored', 'failed'])
    await assert.rejects(outcomes({ job: 'job_1' }, '5', '6'), { code: 'budget_spent' })
  }))

test('a local judge comes with its model; what is asked over HTTP does not', async () => {
  const locals: unknown[] = []
  const judgeClient: Deps['judgeClient'] = (judge, secret, local) => {
    locals.push(local)
    return countingJudge().judgeClient(judge, secret, local)
  }
  await withJudges(
    async (app) => {
      await app.json('/v1/models', { json: { name: 'm', source: { type: 'local', path: '/models/m' } } })
      await app.json('/v1/judges', { json: { name: 'here', provider: { type: 'local', model: 'm' } } })
      await askJudge(app.deps, asking, 'j', 'judge', [item('5')])
      await askJudge(app.deps, asking, 'here', 'judge', [item('5')])
      assert.equal(locals[0], null)
      assert.deepEqual((locals[1] as { model: unknown }).model, { type: 'local', path: '/models/m' })
      assert.equal(await labelTokensOf(app.deps, asking, 'j', 'judge'), null)
    },
    { judgeClient },
  )
})

test('an ensemble has no model of its own to ask', () =>
  withJudges(async ({ deps }) => {
    await assert.rejects(openJudge(deps, asking, 'pair', 'model', () => 1), { code: 'unprocessable', param: 'model' }) // prettier-ignore
    const open = await openJudge(deps, asking, 'j', 'model', () => 1)
    const question = { messages: () => [{ role: 'user' as const, content: '5?' }], labels: ['Yes', 'No'], at: 'q' }
    const [scores] = await open.ask([question])
    open.release()
    assert.deepEqual([scores!.outcome, open.judge.name], ['scored', 'j'])
    assert.equal((await deps.ledger.spent(asking, '2026-01-01')).items, 1)
  }))

test('use that a worker reports counts on the key and on the judge’s budget, which it may not exceed', () =>
  withJudges(async (app) => {
    const { deps } = app
    await app.json('/v1/judges', { json: { name: 'capped', provider, budget: { tokens: 1 } } })
    const { id: job } = await deps.database.jobs
      .insert({ id: 'job_1', tenant: 'default', key: 'key_1', name: null, type: 'sft', spec: { type: 'sft' } as never, createdAt: 1 }, null)
      .then(({ row }) => row) // prettier-ignore
    const claim = { worker: 'w', kinds: ['sft' as const], tenant: null, now: 2, leaseMs: 1e6, maxTries: 3 }
    const { fence } = (await deps.database.jobs.claim(claim))!
    const used = { items: 2, abstained: 0, failed: 0, promptTokens: 11, completionTokens: 1 }
    const note = (number: number, more: object = {}) =>
      noteUse(deps, { ...asking, job }, { job, fence, number }, 'capped', { ...used, ...more })
    await note(1)
    assert.equal(await usedBy(app), 2)
    await assert.rejects(note(2), { code: 'budget_spent' })
    // What is no new item may always be told.
    await note(3, { items: 0 })
    const judge = await app.json('/v1/judges/capped')
    assert.equal(judge.spent.tokens, 24)
    // Of a judge without a budget nobody keeps count.
    await noteUse(deps, { ...asking, job }, { job, fence, number: 4 }, 'j', used)
    assert.equal((await deps.database.judges.find('default', 'j'))!.body.spent, undefined)
  }))

test('how long a judge took is told, where that was measured', async () => {
  const shown = async (measured: object) => {
    const latencies: unknown[] = []
    const judgeClient: Deps['judgeClient'] = () => ({
      firstTokenLogprobs: async (requests) =>
        requests.map(() => ({
          logprobs: [{ token: 'Yes', logprob: 0 }],
          complete: false,
          usage: { promptTokens: 9, completionTokens: 1 },
          ...measured,
        })),
    })
    await withJudges(
      async ({ deps }) => {
        const { data } = showJudgments(await askJudge(deps, asking, 'j', 'judge', [item('5')]))
        latencies.push(data[0]!.latency_ms)
      },
      { judgeClient },
    )
    return latencies
  }
  assert.deepEqual([await shown({ latencyMs: 120 }), await shown({})], [[120], [null]])
})
