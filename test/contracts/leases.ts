/** What a lease gives a worker, and what ends it: part of what the database must do. */
import assert from 'node:assert/strict'
import type { Database, JobRow, Lease } from '../../src/service/database.ts'
import { FARTHEST_MS } from '../../src/service/jobs/transitions.ts'
import { checkpointOf, claim, leased } from './database-rows.ts'

/** Everything that a worker sends under its lease, about a step; each answers whether it was taken. */
const POSTS: Record<string, (database: Database, lease: Lease, step: number) => Promise<boolean>> = {
  heartbeat: async ({ jobs }, lease) => (await jobs.heartbeat(lease, 500)) !== null,
  metrics: ({ jobs }, lease, step) => jobs.postMetrics(lease, [{ step, values: { loss: step } }]),
  samples: ({ jobs }, lease, step) =>
    jobs.postSamples(lease, [{ step, split: 'train', index: 0, prompt: 'p', completion: 'c' }]),
  events: ({ jobs }, lease, step) => jobs.postEvents(lease, [{ level: 'info', message: `step ${step}` }], 1),
  checkpoint: async ({ checkpoints }, lease, step) =>
    (await checkpoints.insert(checkpointOf(lease.job, `ckpt_${lease.job}_${step}`, step), lease)) !== null,
}

/** What ends a lease. Each job is its own tenant's, so that a claim finds just that one. */
const ENDS: Record<string, (database: Database, job: JobRow) => Promise<unknown>> = {
  claimed_again: (database, { tenant }) => claim(database, 9000, { tenant }),
  deleted: ({ jobs }, job) => jobs.remove(job, 20),
  ...Object.fromEntries(
    (['queued', 'paused', 'succeeded', 'failed', 'cancelled'] as const).map((state) => [
      state,
      ({ jobs }: Database, job: JobRow) => jobs.swap(job, { state }, 20),
    ]),
  ),
}

/** What there is of a worker's posts. */
async function kept({ jobs, checkpoints }: Database, id: string) {
  const all = { limit: 100 }
  const events = (await jobs.events(id, all)).rows.map((event) => event.message)
  return {
    metrics: (await jobs.metrics(id, all)).rows.map((point) => point.step),
    samples: (await jobs.samples(id, all)).rows.map((sample) => sample.step),
    events: events.filter((message) => message.startsWith('step')),
    checkpoint: (await checkpoints.newest(id))?.step,
  }
}

export function leasesContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: () => Promise<Database>,
): void {
  for (const wish of ['cancelRequested', 'pauseRequested'] as const) {
    test(`a job whose lease ran out is not begun again after a wish to stop: ${wish}`, async () => {
      const database = await open()
      assert.equal(await database.jobs.swap(await leased(database), { [wish]: true }, 20), true)
      assert.equal(await claim(database, 9000), null)
      const [silent] = await database.jobs.expired(9000, 5)
      assert.equal(silent?.id, 'job_a', 'it is for a sweep to settle')
      await database.jobs.swap(silent!, { [wish]: false }, 30)
      assert.equal((await claim(database, 9000))?.fence, 2, 'nothing else stood in the way')
    })
  }

  test('a lease or a wait from a clock that ran ahead is no reason to wait for it', async () => {
    const database = await open()
    const { jobs } = database
    const { fence } = await leased(database)
    const year = 365 * 86_400_000
    const now = 1_000_000
    const at = async () => (await jobs.get('job_a'))!
    for (const [ahead, taken] of [
      [FARTHEST_MS, false],
      [FARTHEST_MS + 1, true],
      [year, true],
    ] as const) {
      await jobs.heartbeat({ job: 'job_a', fence: (await at()).fence }, now + ahead)
      assert.equal((await claim(database, now, { maxTries: 99 })) !== null, taken, `a lease of ${ahead} ms`)
      await jobs.swap(await at(), { state: 'queued', notBefore: now + ahead }, now)
      assert.equal((await claim(database, now, { maxTries: 99 })) !== null, taken, `a wait of ${ahead} ms`)
      await jobs.swap(await at(), { state: 'queued', notBefore: now }, now)
      assert.notEqual(await claim(database, now, { maxTries: 99 }), null)
    }
    assert.ok((await at()).fence > fence)
    await jobs.heartbeat({ job: 'job_a', fence: (await at()).fence }, now + year)
    await jobs.swap(await at(), { cancelRequested: true }, now)
    assert.deepEqual(
      (await jobs.expired(now, 99)).map(({ id }) => id),
      ['job_a'],
    )
  })

  test('what a worker sends is taken under its fence and no other', async () => {
    const database = await open()
    const { id: job, fence } = await leased(database)
    for (const [what, post] of Object.entries(POSTS)) {
      assert.equal(await post(database, { job, fence: fence - 1 }, 1), false, `${what}, a fence before`)
      assert.equal(await post(database, { job, fence: fence + 1 }, 1), false, `${what}, a fence to come`)
      assert.equal(await post(database, { job: 'job_b', fence }, 1), false, `${what}, no such job`)
    }
    assert.deepEqual(await kept(database, job), { metrics: [], samples: [], events: [], checkpoint: undefined })
    for (const [what, post] of Object.entries(POSTS)) {
      assert.equal(await post(database, { job, fence }, 1), true, what)
    }
    assert.deepEqual(await kept(database, job), { metrics: [1], samples: [1], events: ['step 1'], checkpoint: 1 })
  })

  test('once a lease has ended, nothing that its worker sends is taken, and nothing is forgotten', async () => {
    const database = await open()
    for (const [how, end] of Object.entries(ENDS)) {
      const job = await leased(database, `job_${how}`, how)
      const lease = { job: job.id, fence: job.fence }
      for (const post of Object.values(POSTS)) await post(database, lease, 1)
      await end(database, job)
      for (const [what, post] of Object.entries(POSTS)) {
        assert.equal(await post(database, lease, 2), false, `${what}, ${how}`)
      }
      await database.jobs.supersede(lease, 0)
      const before = { metrics: [1], samples: [1], events: ['step 1'], checkpoint: 1 }
      assert.deepEqual(await kept(database, job.id), before, how)
    }
  })

  test('a worker that goes on from a step forgets what lies beyond it, but no event', async () => {
    const database = await open()
    const { id: job, fence } = await leased(database)
    const lease = { job, fence }
    for (const step of [1, 2]) for (const post of Object.values(POSTS)) await post(database, lease, step)
    await database.jobs.supersede(lease, 1)
    const left = { metrics: [1], samples: [1], events: ['step 1', 'step 2'], checkpoint: 2 }
    assert.deepEqual(await kept(database, job), left)
  })

  test('a job begun again keeps its first start, and the error that it was put back with', async () => {
    const database = await open()
    const error = { code: 'judge_unreachable', message: 'no answer' }
    await database.jobs.swap(await leased(database), { state: 'queued', error }, 20)
    const again = (await claim(database, 30))!
    assert.deepEqual([again.startedAt, again.error, again.leaseExpiresAt], [10, error, 130])
  })

  test('a heartbeat is in nobody’s way, and a claim is', async () => {
    const database = await open()
    const { jobs } = database
    const job = await leased(database)
    await jobs.heartbeat({ job: job.id, fence: job.fence }, 500)
    assert.equal(await jobs.swap(job, { pauseRequested: true }, 20), true)
    await jobs.swap((await jobs.get(job.id))!, { pauseRequested: false }, 30)
    const before = (await jobs.get(job.id))!
    await claim(database, 9000)
    assert.equal(await jobs.swap(before, { state: 'failed' }, 9001), false)
  })

  test('a deleted job is nobody’s any more, even if a worker still has it', async () => {
    const database = await open()
    const { jobs } = database
    const job = await leased(database)
    assert.equal(await jobs.remove({ ...job, revision: job.revision - 1 }, 20), false, 'it has changed since')
    assert.equal(await jobs.remove(job, 20), true)
    assert.equal(await jobs.remove(job, 30), false)
    assert.deepEqual(await jobs.activeWith('t', 'ds_x'), [], 'it needs nothing any more')
    assert.deepEqual([await jobs.find('t', job.id), await jobs.get(job.id)], [null, null])
    assert.deepEqual((await jobs.list('t', { limit: 9 })).rows, [])
    assert.deepEqual(await jobs.countByState(), new Map())
    assert.deepEqual(await jobs.expired(9000, 0), [])
    assert.equal(await claim(database, 9000), null)
    assert.equal(await jobs.swap(job, { state: 'queued' }, 40), false)
  })
}
