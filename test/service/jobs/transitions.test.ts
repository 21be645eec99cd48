import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JOB_STATES, type JobState } from '../../../src/core/schemas/job.ts'
import type { JobRow } from '../../../src/service/database.ts'
import * as transitions from '../../../src/service/jobs/transitions.ts'

const { cancel, complete, expire, fail, MAX_TRIES, pause, release, resume, TRANSITIONS } = transitions
const job = (changes: Partial<JobRow>) =>
  ({
    id: 'job_1',
    state: 'running',
    tries: 1,
    leaseExpiresAt: 100,
    cancelRequested: false,
    pauseRequested: false,
    ...changes,
  }) as JobRow
const error = { code: 'diverged', message: 'NaN' }

describe('job transitions', () => {
  test('no change leaves the table of legal transitions', () => {
    const changes = {
      cancel,
      pause,
      resume,
      complete: complete({}),
      release,
      expire,
      fail: fail(error, false),
      retry: fail(error, true),
    }
    for (const state of JOB_STATES) {
      for (const [name, change] of Object.entries(changes)) {
        for (const flags of [{}, { cancelRequested: true }, { pauseRequested: true }, { tries: MAX_TRIES }]) {
          let next: JobState | undefined
          try {
            next = change(job({ state, ...flags }), 500)?.state
          } catch (refusal) {
            assert.equal((refusal as { code: string }).code, 'conflict', `${name} of ${state}`)
          }
          if (next)
            assert.ok((TRANSITIONS[state] as readonly JobState[]).includes(next), `${name}: ${state} to ${next}`)
        }
      }
    }
  })

  test('what is over stays over', () => {
    for (const state of ['succeeded', 'cancelled'] as const) {
      assert.throws(() => resume(job({ state }), 1), { code: 'conflict' })
      assert.throws(() => pause(job({ state }), 1), { code: 'conflict' })
    }
    assert.throws(() => cancel(job({ state: 'succeeded' }), 1), { code: 'conflict' })
  })

  test('a running job is asked to stop, any other stops', () => {
    assert.deepEqual(cancel(job({}), 7), { cancelRequested: true })
    assert.deepEqual(pause(job({}), 7), { pauseRequested: true })
    assert.equal(cancel(job({ state: 'queued' }), 7)?.state, 'cancelled')
    assert.equal(pause(job({ state: 'queued' }), 7)?.state, 'paused')
    assert.deepEqual(resume(job({ pauseRequested: true }), 7), { pauseRequested: false })
  })

  test('giving back goes by what was asked; cancelling wins', () => {
    assert.equal(release(job({ cancelRequested: true, pauseRequested: true }), 7)?.state, 'cancelled')
    assert.equal(release(job({ pauseRequested: true }), 7)?.state, 'paused')
    assert.deepEqual(release(job({ tries: 2 }), 7), { state: 'queued', notBefore: 7, tries: 1 })
    assert.equal(fail(error, false)(job({ cancelRequested: true }), 7)?.state, 'cancelled')
  })

  test('waits between tries double from 5 s', () => {
    const waits = [1, 2, 3, 4].map((tries) => fail(error, true)(job({ tries }), 1000)!.notBefore! - 1000)
    assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000])
    assert.equal(fail(error, true)(job({ tries: MAX_TRIES }), 1)?.state, 'failed')
    assert.equal(fail(error, false)(job({}), 1)?.state, 'failed')
  })

  test('silence ends a lease only after its last millisecond, and a job only after its last try', () => {
    assert.equal(expire(job({ tries: MAX_TRIES }), 100), null)
    assert.equal(expire(job({ tries: MAX_TRIES }), 101)?.error?.code, 'worker_lost')
    assert.equal(expire(job({ tries: 1 }), 101), null)
    assert.equal(expire(job({ pauseRequested: true }), 101)?.state, 'paused')
  })
})
