/** The recipes of POST /v1/rewards in training jobs: what the worker asks of whom, and what it makes of it. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { JUDGE } from '../../demo/recipe.ts'
import { all, type NewJob } from '../../src/client.ts'
import { startService, type Service } from './service.ts'
import { bringData, grpoJob, inState } from './training-jobs.ts'

/** A reranker that gives every answer 0.25. */
const reranker = createServer((request, response) => {
  request.resume()
  request.on('end', () => response.end(JSON.stringify({ results: [{ index: 0, relevance_score: 0.25 }] })))
})

describe('reward recipes in jobs', { timeout: 300_000 }, () => {
  let service: Service
  before(async () => {
    await new Promise<void>((resolve) => reranker.listen(0, '127.0.0.1', resolve))
    service = await startService()
    await bringData(service.api)
    const base_url = `http://127.0.0.1:${(reranker.address() as AddressInfo).port}/v1`
    await service.api.judges.create({ name: 'reranker', provider: { type: 'rerank', base_url } })
    service.startWorker()
  })
  after(async () => {
    await service.close()
    reranker.close()
    reranker.closeAllConnections()
  })

  const run = async (reward: object) => {
    const config = { steps: 2, prompts_per_step: 4, group_size: 4, canary_every: 2, checkpoint_every: 2, epochs: 1 }
    const { id } = await service.api.jobs.create(grpoJob(config, { reward } as Partial<NewJob>))
    await inState(service.api, id, 'succeeded')
    const metrics = await all(service.api.jobs.metrics(id))
    return { id, metrics, samples: await all(service.api.jobs.samples(id)) }
  }

  test('a reranker beside the judge, on the unlabelled half alone, with every labelled question in the overlap', async () => {
    const { id, metrics, samples } = await run({
      lambda: 1, mu: 0.5, rho: 0.5, verifier: 'math', judge: 'judge', reranker: 'reranker',
      routing: 'split', overlap: 1, gate: false,
    }) // prettier-ignore
    for (const { values } of metrics.filter(({ step }) => step > 0)) {
      assert.ok(Math.abs(values['reward/reranker']! - 0.25) < 1e-12)
      assert.ok(values['reward/verifier'] !== undefined && values['reward/judge'] !== undefined)
      assert.ok(values['overlap/correct'] !== undefined, 'labelled rows were judged too')
    }
    const labelled = samples.filter(({ answer, split }) => answer !== null && split === 'train')
    assert.ok(labelled.length > 0)
    for (const { reward, terms } of labelled) assert.equal(reward, terms!.verifier)
    const usage = await all(service.api.usage())
    const { id: judge } = await service.api.judges.get('reranker')
    const spent = usage.find((row) => row.job === id && row.judge === judge)
    assert.ok(spent && spent.items > 0, 'entered under the job')
  })

  test('a local judge counts too: its budget ends the job, which goes on when that is raised', async () => {
    // Nothing is spent yet before the first step, and all before the second.
    const provider = { type: 'local', model: 'judge-model' } as const
    const poor = { name: 'poor', provider, ...JUDGE, min_label_mass: 0, budget: { tokens: 100 } }
    const judge = await service.api.judges.create(poor)
    const config = { steps: 3, prompts_per_step: 4, group_size: 4, checkpoint_every: 1, epochs: 1 }
    const reward = { lambda: 0, mu: 1, judge: 'poor', gate: false }
    const { id } = await service.api.jobs.create(
      grpoJob(config, { reward, data: { unlabelled: 'unlabelled' } } as Partial<NewJob>),
    )
    const failed = await inState(service.api, id, 'failed')
    assert.equal(failed.error!.code, 'budget_spent')
    assert.match(failed.error!.message, /budget of 100 tokens; raise it with PUT/)
    const usage = async () => (await all(service.api.usage())).find((row) => row.job === id && row.judge === judge.id)!
    const before = await usage()
    assert.ok(before.items === 16 && before.prompt_tokens >= 100)
    const url = `${service.url}/v1/judges/${judge.id}/budget`
    const headers = { authorization: 'Bearer gvl_key-of-the-operator', 'content-type': 'application/json' }
    assert.equal((await fetch(url, { method: 'PUT', headers, body: '{"budget": null}' })).status, 200)
    await service.api.jobs.resume(id)
    await inState(service.api, id, 'succeeded')
    const metrics = await all(service.api.jobs.metrics(id))
    assert.deepEqual(
      metrics.filter(({ step }) => step > 0).map(({ step }) => step),
      [1, 2, 3],
    )
    assert.ok((await usage()).items > before.items)
  })

  test('a judge drawn at random needs no judge, and majorities stand in for gold', async () => {
    const recipe = { lambda: 1, mu: 1, verifier: 'math', gate: false, pseudo_labels: { min_share: 0.5 } }
    const reward = { ...recipe, control: { kind: 'random', seed: 7 } }
    const [first, second] = [await run(reward), await run(reward)]
    const rewards = ({ metrics }: typeof first) => metrics.map(({ step, values }) => [step, values.reward, values['reward/judge']]) // prettier-ignore
    assert.deepEqual(rewards(first), rewards(second), 'the same seed draws the same')
    const judged = first.metrics.flatMap(({ values }) => values['reward/judge'] ?? [])
    assert.ok(judged.length === 2 && judged[0] !== judged[1] && judged.every((mean) => mean > 0.2 && mean < 0.8))
  })
})
