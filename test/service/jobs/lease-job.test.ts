import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Deps } from '../../../src/service/deps.ts'
import { leaseJob } from '../../../src/service/jobs/lease-job.ts'
import { sftJob, studentAndData } from '../../contracts/api.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const asking = (more: Partial<Parameters<typeof leaseJob>[1]> = {}) => ({
  worker: 'w',
  kinds: ['sft' as const],
  tenant: 'default',
  waitSeconds: 0,
  signal: new AbortController().signal,
  ...more,
})
async function withApp(run: (app: TestApp) => Promise<void>, changes: Partial<Deps> = {}): Promise<void> {
  const app = await testApp(changes)
  try {
    await run(app)
  } finally {
    app.close()
  }
}

describe('a lease', () => {
  test('lasts a minute, and what a worker reported beyond the checkpoint that it goes on from is forgotten', () =>
    withApp(async ({ deps, clock, ...app }) => {
      const dataset = await studentAndData({ deps, clock, ...app })
      const { id } = await app.json('/v1/jobs', { json: sftJob(dataset) })
      const first = (await leaseJob(deps, asking()))!
      assert.deepEqual([first.id, first.fence, first.attempt, first.lease_seconds, first.type], [id, 1, 1, 60, 'sft'])
      assert.equal((await deps.database.jobs.get(id))!.leaseExpiresAt, clock.time + 60_000)
      assert.match(
        first.inputs.datasets.dataset!.objects[0]!.url,
        new RegExp(`^/v1/worker/jobs/${id}/objects/.*\\?fence=1$`),
      )
      await deps.database.jobs.postMetrics({ job: id, fence: 1 }, [{ step: 1, values: { loss: 1 } }])
      clock.time += 60_001
      const second = (await leaseJob(deps, asking()))!
      assert.deepEqual([second.id, second.fence, second.attempt], [id, 2, 2])
      assert.deepEqual((await deps.database.jobs.metrics(id, { limit: 9 })).rows, [])
      assert.equal(await leaseJob(deps, asking()), null)
    }))

  test('brings judge and reranker as they are asked, with a calibration where there is one', () =>
    withApp(async (app) => {
      await studentAndData(app)
      const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
      const ids: string[] = []
      for (const name of ['j', 'r']) ids.push((await app.json('/v1/judges', { json: { name, provider } })).id)
      const { judges } = app.deps.database
      const [plain] = [(await judges.find('default', ids[0]!))!]
      const calibration = { job: 'job_c', base: ids[0]!, map: { method: 'platt', a: 2, b: 0 } } as never
      const body = { ...plain.body, calibration }
      await judges.insert({ id: 'judge_calibrated', tenant: 'default', name: 'c', body, secret: null, createdAt: 1 })
      const reward = { lambda: 0, mu: 0.5, rho: 0.5, judge: 'c', reranker: 'r' }
      const config = { steps: 4, learning_rate: 0.001, prompts_per_step: 2, group_size: 2, max_prompt_tokens: 9, max_new_tokens: 9 } // prettier-ignore
      await app.json('/v1/jobs', {
        json: { type: 'grpo', model: 'student', data: { labelled: 'pairs' }, reward, config },
      })
      const { inputs } = (await leaseJob(app.deps, asking({ kinds: ['grpo'] })))!
      assert.deepEqual([inputs.judge?.calibration, inputs.reranker?.calibration], [calibration, undefined])
      assert.deepEqual([inputs.judge?.model, inputs.reranker?.model], [null, null])
      assert.deepEqual(inputs.reward, { ...inputs.reward!, judge: 'judge_calibrated', reranker: ids[1] })
    }))

  test('of an ensemble brings all that any judge has, and its judges whole', () =>
    withApp(async (app) => {
      await studentAndData(app)
      const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
      const members: string[] = []
      for (const name of ['j', 'k']) members.push((await app.json('/v1/judges', { json: { name, provider } })).id)
      const ensemble = { type: 'ensemble', judges: members, combine: 'mean_minus_sd', k: 2 }
      const { id } = await app.json('/v1/judges', { json: { name: 'pair', provider: ensemble, min_label_mass: 0.25 } })
      const json = { type: 'eval', model: 'student', dataset: 'pairs', judge: 'pair', config: { max_new_tokens: 9 } }
      await app.json('/v1/jobs', { json })
      const { judge } = (await leaseJob(app.deps, asking({ kinds: ['eval'] })))!.inputs
      const { ensemble: how, ...own } = judge!
      const shown = await app.json(`/v1/judges/${id}`)
      assert.deepEqual(
        [own.id, own.version, own.template, own.labels, own.min_label_mass, own.model, own.audited],
        [id, 1, shown.template, shown.labels, 0.25, null, false],
      )
      assert.deepEqual([how!.judges, how!.combine, how!.k], [members, 'mean_minus_sd', 2])
      assert.deepEqual(how!.members.map((member) => member.id), members) // prettier-ignore
    }))

  test('brings a judge’s rubric where it has one', () =>
    withApp(async (app) => {
      await studentAndData(app)
      const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
      const rubrics: unknown[] = []
      for (const more of [{ template: 'rubric', rubric: 'Is it short?' }, {}]) {
        await app.json('/v1/judges', { json: { name: 'j', provider, ...more } })
        const json = { type: 'eval', model: 'student', dataset: 'pairs', judge: 'j', config: { max_new_tokens: 9 } }
        await app.json('/v1/jobs', { json })
        rubrics.push((await leaseJob(app.deps, asking({ kinds: ['eval'] })))!.inputs.judge!.rubric)
      }
      assert.deepEqual(rubrics, ['Is it short?', undefined])
    }))

  test('brings the newest checkpoint to go on from, its objects with size, hash and place', () =>
    withApp(async (app) => {
      const { deps, clock } = app
      const { id } = await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
      const { fence } = (await leaseJob(deps, asking()))!
      const post = (what: string, call: object) => app.json(`/v1/worker/jobs/${id}/${what}`, call)
      const object = { name: 'model.safetensors', size: 7, sha256: 'a'.repeat(64) }
      await post(`uploads/${fence}/3/${object.name}`, { method: 'PUT', body: 'weights', headers: { 'content-length': '7' } }) // prettier-ignore
      await post('checkpoints', { json: { fence, step: 3, manifest: { objects: [object], state: { seen: 9 } } } })
      clock.time += 60_001
      const { resume } = (await leaseJob(deps, asking()))!.inputs
      const { url, key, ...listed } = resume!.objects[0]!
      const again = await post('downloads', { json: { fence: fence + 1, key } })
      assert.equal(again.url, url)
      await app.json(`/v1/worker/jobs/${id}/downloads`, { json: { fence: fence + 1, key: `${key}x` } }, 404)
      assert.deepEqual([resume!.step, resume!.state, resume!.objects.length], [3, { seen: 9 }, 1])
      assert.deepEqual(listed, object)
      assert.equal(await (await app.request(url)).text(), 'weights')
    }))

  test('says of what a job has none of that it is none', () =>
    withApp(async (app) => {
      await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
      const { reward, judge, reranker, resume } = (await leaseJob(app.deps, asking()))!.inputs
      assert.deepEqual([reward, judge, reranker, resume], [null, null, null, null])
    }))

  test('gives signed URLs where the store has some, for six hours', async () => {
    const signed: unknown[][] = []
    const plain = await testApp()
    const blobs: Deps['blobs'] = {
      ...plain.deps.blobs,
      presign: async (...call) => {
        signed.push(call)
        return `https://store.example/${call[0]}?signed`
      },
    }
    await withApp(
      async (app) => {
        const dataset = await studentAndData(app)
        await app.json('/v1/jobs', { json: sftJob(dataset) })
        const { inputs } = (await leaseJob(app.deps, asking()))!
        assert.match(
          inputs.datasets.dataset!.objects[0]!.url,
          new RegExp(`^https://store\\.example/tenants/default/datasets/${dataset}/1-\\w+-0\\.jsonl\\?signed$`),
        )
        assert.deepEqual(signed.map(([, ...rest]) => rest), [['GET', 6 * 3600]]) // prettier-ignore
      },
      { blobs },
    )
    plain.close()
  })

  test('is waited for until the time is up, with a look every two seconds', async () => {
    const waits: number[] = []
    const turn = { clock: { time: 0 } }
    const bell = {
      ring: () => {},
      listen: () => ({
        next: async (ms: number) => {
          waits.push(ms)
          turn.clock.time += ms
        },
        close() {},
      }),
    }
    await withApp(
      async ({ deps, clock }) => {
        turn.clock = clock
        assert.equal(await leaseJob(deps, asking({ waitSeconds: 5 })), null)
        assert.deepEqual(waits, [2000, 2000, 1000])
        waits.length = 0
        assert.equal(await leaseJob(deps, asking({ waitSeconds: 5, signal: AbortSignal.abort() })), null)
        assert.deepEqual(waits, [])
      },
      { bell },
    )
  })

  test('of a job whose data is gone is none: the job has failed, and says why', () =>
    withApp(async (app) => {
      const dataset = await studentAndData(app)
      const made = async () => (await app.json('/v1/jobs', { json: sftJob(dataset) })).id as string
      const [broken, other] = [await made(), await made()]
      const { database } = app.deps
      const row = (await database.jobs.get(broken))!
      await database.datasets.remove('default', dataset, 1)
      assert.equal(await leaseJob(app.deps, asking({ tenant: 'default' })), null)
      const failed = (await database.jobs.get(row.id))!
      assert.deepEqual([failed.state, failed.error?.code], ['failed', 'not_found'])
      assert.equal((await database.jobs.get(other))!.state, 'failed')
    }))

  test('is of the wanted kinds and tenant', () =>
    withApp(async (app) => {
      const dataset = await studentAndData(app)
      await app.json('/v1/jobs', { json: sftJob(dataset) })
      assert.equal(await leaseJob(app.deps, asking({ kinds: ['grpo'] })), null)
      assert.equal(await leaseJob(app.deps, asking({ tenant: 'other' })), null)
      assert.equal((await leaseJob(app.deps, asking({ tenant: 'default' })))?.type, 'sft')
    }))

  test('is given to no worker whose connection has ended, neither before the claim nor during it', async () => {
    const turn = { connection: new AbortController(), during: false }
    const plain = await testApp()
    const blobs: Deps['blobs'] = {
      ...plain.deps.blobs,
      presign: async () => {
        if (turn.during) turn.connection.abort()
        return null
      },
    }
    await withApp(
      async (app) => {
        const { id } = await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
        const job = async () => (await app.deps.database.jobs.get(id))!
        assert.equal(await leaseJob(app.deps, asking({ signal: AbortSignal.abort() })), null)
        assert.deepEqual([(await job()).state, (await job()).attempt], ['queued', 0])

        turn.during = true
        assert.equal(await leaseJob(app.deps, asking({ signal: turn.connection.signal })), null)
        assert.deepEqual([(await job()).state, (await job()).tries, (await job()).error], ['queued', 0, null])
        turn.during = false
        assert.equal((await leaseJob(app.deps, asking()))?.id, id, 'another has it at once')
      },
      { blobs },
    )
    plain.close()
  })

  test('says whose the job is, and whether that is the worker’s own tenant', () =>
    withApp(async (app) => {
      const told = async (asker: string) => {
        const { tenant, own } = (await leaseJob(app.deps, asking({ tenant: asker })))!
        return [tenant, own]
      }
      await app.json('/v1/jobs', { json: sftJob(await studentAndData(app)) })
      assert.deepEqual(await told('default'), ['default', true])
      const { key } = await app.json('/v1/keys', { json: { tenant: 'acme', scopes: ['data', 'train'] } })
      const theirs: TestApp = { ...app, json: (path, given = {}, status) => app.json(path, { ...given, key }, status) }
      const dataset = await studentAndData(theirs)
      for (const asker of ['default', 'acme']) {
        await theirs.json('/v1/jobs', { json: sftJob(dataset) })
        assert.deepEqual(await told(asker), ['acme', asker === 'acme'])
      }
    }))
})
