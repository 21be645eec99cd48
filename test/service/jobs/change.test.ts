import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLAIMABLE } from '../../../src/core/ports.ts'
import { JOB_STATES } from '../../../src/core/schemas/job.ts'
import type { JobPatch, JobRow } from '../../../src/service/database.ts'
import { changeJob, jobNotFound, sweepJobs } from '../../../src/service/jobs/change.ts'
import { cancel, complete, fail, MAX_TRIES, pause, release } from '../../../src/service/jobs/transitions.ts'
import { claim, jobIn, leased } from '../../contracts/database-rows.ts'
import { openDatabase } from '../../helpers/test-app.ts'
import { withJob } from '../../helpers/with-job.ts'

const error = { code: 'diverged', message: 'NaN' }
const CHANGES = { complete: complete({}), fail: fail(error, false), retry: fail(error, true), release }
const STOPPED = JOB_STATES.filter((state) => state !== 'running')

/** The service over a real database, in which one job is running under fence 1 with a lease until 110. */
async function service() {
  const clock = { time: 50, now: () => clock.time }
  const { database, close } = await openDatabase(':memory:')
  const bell = {
    rung: 0,
    ring: (of: string) => void (of === CLAIMABLE && bell.rung++),
    listen: () => ({ next: async () => {}, close() {} }),
  }
  const deps = { database, clock, bell }
  const job = await leased(database)
  const read = async (id = job.id) => (await database.jobs.get(id))!
  const set = async (patch: JobPatch, id = job.id) => {
    assert.equal(await database.jobs.swap(await read(id), patch, clock.time), true)
  }
  return { database, clock, bell, deps, job, read, set, close }
}

describe('changing a job', () => {
  for (const state of STOPPED) {
    test(`a job that is ${state} is refused as stale, though its fence is the worker's`, async () => {
      const { deps, job, read, set, close } = await service()
      await set({ state })
      const before = await read()
      assert.equal(before.fence, 1)
      for (const [name, change] of Object.entries(CHANGES)) {
        const changed = changeJob(deps, job.id, read, change, { fence: 1, settled: [] })
        await assert.rejects(changed, { code: 'stale_fence' }, name)
      }
      assert.deepEqual(await read(), before)
      close()
    })
  }

  test('what was done before under the same fence is answered, not done again', async () => {
    const { deps, bell, job, read, set, close } = await service()
    await set({ state: 'succeeded', result: { first: true } })
    const before = await read()
    const again = (fence: number) =>
      changeJob(deps, job.id, read, complete({ second: true }), { fence, settled: ['succeeded'] })
    assert.deepEqual(await again(1), before)
    assert.deepEqual([await read(), bell.rung], [before, 0])
    await assert.rejects(again(0), { code: 'stale_fence' }, 'it was not this worker that did it')
    close()
  })

  test('a running job is refused to all but its fence', async () => {
    const { deps, bell, job, read, close } = await service()
    const completed = (fence: number) => changeJob(deps, job.id, read, complete({}), { fence, settled: ['succeeded'] })
    for (const fence of [0, 2]) await assert.rejects(completed(fence), { code: 'stale_fence' })
    assert.equal((await completed(1)).state, 'succeeded')
    assert.deepEqual([(await read()).state, bell.rung], ['succeeded', 1])
    close()
  })

  /** Reads the job, and lets something happen to it before the first reader acts on what it read. */
  const readBefore = (read: () => Promise<JobRow>, happens: () => Promise<unknown>) => {
    let first = true
    return async () => {
      const row = await read()
      if (first) await happens()
      first = false
      return row
    }
  }

  test('a change is worked out anew from what became of the job meanwhile', async () => {
    const { deps, job, read, set, close } = await service()
    const find = readBefore(read, () => set({ cancelRequested: true }))
    const released = await changeJob(deps, job.id, find, release, { fence: 1, settled: [] })
    assert.deepEqual([released.state, (await read()).state], ['cancelled', 'cancelled'])
    close()
  })

  test('a lease that is lost between the look and the change is lost', async () => {
    const { deps, database, job, read, close } = await service()
    const find = readBefore(read, () => claim(database, 9000))
    await assert.rejects(changeJob(deps, job.id, find, release, { fence: 1, settled: [] }), { code: 'stale_fence' })
    const { state, fence } = await read()
    assert.deepEqual([state, fence], ['running', 2])
    close()
  })

  test('a job that is not there is said not to be', async () => {
    const { deps, close } = await service()
    await assert.rejects(
      changeJob(deps, 'job_b', async () => null, cancel),
      { code: 'not_found' },
    )
    close()
  })
})

test('a sweep settles what nobody may claim, and leaves the rest to be claimed', async () => {
  const { deps, database, clock, bell, read, set, close } = await service()
  const patches: Record<string, JobPatch> = {
    job_cancelled: { cancelRequested: true },
    job_paused: { pauseRequested: true },
    job_failed: { tries: MAX_TRIES },
    job_held: { cancelRequested: true, leaseExpiresAt: 9000 },
  }
  for (const [id, patch] of Object.entries(patches)) {
    await leased(database, id, id)
    await set(patch, id)
  }
  await jobIn(database, 'job_queued')
  await sweepJobs(deps)
  assert.equal(bell.rung, 0, 'all leases hold')
  clock.time = 111
  await sweepJobs(deps)
  await sweepJobs(deps)
  const states = await Promise.all(
    [...Object.keys(patches), 'job_a', 'job_queued'].map(async (id) => (await read(id)).state),
  )
  assert.deepEqual(states, ['cancelled', 'paused', 'failed', 'running', 'running', 'queued'])
  assert.deepEqual([(await read('job_failed')).error?.code, bell.rung], ['worker_lost', 3])
  close()
})

describe('the bell and the clock', () => {
  test('ring the bell when something was written, and only then', () =>
    withJob(async ({ deps, rings, get }) => {
      assert.equal((await changeJob(deps, 'job_1', get, pause)).state, 'paused')
      assert.equal(rings.count, 1)
      assert.equal((await changeJob(deps, 'job_1', get, pause)).state, 'paused')
      assert.equal(rings.count, 1)
      await assert.rejects(
        changeJob(deps, 'job_2', async () => null, pause),
        {
          code: 'not_found',
          param: 'id',
          message: /There is no job job_2\./,
        },
      )
    }))

  test('a worker that fell silent is not waited for where its job was to stop', () =>
    withJob(async ({ deps, clock, rings, get, claim }) => {
      await claim()
      await changeJob(deps, 'job_1', get, pause)
      clock.time += 1000
      await sweepJobs(deps)
      assert.equal((await get())!.state, 'running')
      clock.time += 1
      await sweepJobs(deps)
      assert.deepEqual([(await get())!.state, rings.count], ['paused', 2])
    }))
})

test('an error names a job by the first 100 characters of what was asked for', () => {
  const { message } = jobNotFound(`job_${'x'.repeat(200)}`)
  assert.ok(message.startsWith(`There is no job job_${'x'.repeat(96)}. `), message)
})
