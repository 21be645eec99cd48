/** The recipes of POST /v1/rewards in training jobs: what the worker asks of whom, and what it makes of it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { all, type NewJob } from '../../src/cli/client.ts'
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
    const spent = usage.find((row) => row.key === id && row.judge === judge)
    assert.ok(spent && spent.items > 0, 'entered under the job')
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
