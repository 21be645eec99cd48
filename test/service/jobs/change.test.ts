import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { changeJob, checkFence, sweepJobs } from '../../../src/service/jobs/change.ts'
import { cancel, pause, release } from '../../../src/service/jobs/transitions.ts'
import { withJob } from '../../helpers/with-job.ts'

describe('changes of a job', () => {
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

  test('are made again on what another made of the job meanwhile', () =>
    withJob(async ({ deps, get, claim }) => {
      let looks = 0
      const find = async () => {
        const job = await get()
        if (++looks === 1) await claim()
        return job
      }
      const job = await changeJob(deps, 'job_1', find, cancel)
      assert.deepEqual([looks, job.state, job.cancelRequested], [2, 'running', true])
      assert.deepEqual((await get())!.cancelRequested, true)
    }))

  test('of a worker need its fence; what it has settled before stays', () =>
    withJob(async ({ deps, rings, get, claim }) => {
      const { fence } = await claim()
      const settled = ['queued'] as const
      const give = (own: number) => changeJob(deps, 'job_1', get, release, { fence: own, settled })
      await assert.rejects(give(fence + 1), { code: 'stale_fence', param: 'fence' })
      assert.equal((await give(fence)).state, 'queued')
      assert.equal(rings.count, 1)
      assert.equal((await give(fence)).state, 'queued')
      assert.equal(rings.count, 1)
      await assert.rejects(changeJob(deps, 'job_1', get, release, { fence, settled: [] }), { code: 'stale_fence' })
      assert.throws(() => checkFence({ id: 'job_1', state: 'running', fence: 2 } as never, 1), { code: 'stale_fence' })
      assert.throws(() => checkFence({ id: 'job_1', state: 'queued', fence: 1 } as never, 1), { code: 'stale_fence' })
      checkFence({ id: 'job_1', state: 'running', fence: 1 } as never, 1)
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
