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
    assert.deepEqual(release(job({ tries: 2 }), 7), { state: 'queued', error: null, notBefore: 7, tries: 1 })
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

  test('each change writes all that it means, and nothing else', () => {
    const ended = { error: null, finishedAt: 7, cancelRequested: false, pauseRequested: false }
    assert.deepEqual(cancel(job({ state: 'paused' }), 7), { state: 'cancelled', finishedAt: 7, pauseRequested: false })
    assert.deepEqual(pause(job({ state: 'queued' }), 7), { state: 'paused' })
    const afresh = { state: 'queued', tries: 0, notBefore: 0, error: null, finishedAt: null, pauseRequested: false }
    for (const state of ['paused', 'failed'] as const) assert.deepEqual(resume(job({ state, tries: 5 }), 7), afresh)
    assert.deepEqual(complete({ loss: 1 })(job({}), 7), { state: 'succeeded', result: { loss: 1 }, ...ended })
    const cancelled = { state: 'cancelled', error: null, finishedAt: 7, cancelRequested: false }
    assert.deepEqual(release(job({ cancelRequested: true }), 7), cancelled)
    assert.deepEqual(release(job({ pauseRequested: true, tries: 3 }), 7), { state: 'paused', error: null, pauseRequested: false, tries: 0 }) // prettier-ignore
    assert.deepEqual(release(job({ tries: 0 }), 7), { state: 'queued', error: null, notBefore: 7, tries: 0 })
    const failed = { state: 'failed', error, finishedAt: 7, pauseRequested: false }
    assert.deepEqual(fail(error, false)(job({}), 7), failed)
    assert.deepEqual(fail(error, true)(job({ tries: MAX_TRIES, pauseRequested: true }), 7), failed)
    const paused = { state: 'paused', pauseRequested: false, error }
    assert.deepEqual(fail(error, true)(job({ pauseRequested: true }), 7), paused)
    assert.deepEqual(fail(error, true)(job({ tries: 1 }), 7), { state: 'queued', error, notBefore: 5_007 })
  })

  test('asked a second time, nothing is written', () => {
    assert.equal(cancel(job({ state: 'cancelled' }), 7), null)
    assert.equal(cancel(job({ cancelRequested: true }), 7), null)
    assert.equal(pause(job({ state: 'paused' }), 7), null)
    assert.equal(pause(job({ pauseRequested: true }), 7), null)
    assert.equal(resume(job({ state: 'queued' }), 7), null)
    assert.equal(resume(job({}), 7), null)
  })

  test('five tries are all, and a lease lasts a minute', () => {
    assert.deepEqual([MAX_TRIES, transitions.LEASE_SECONDS], [5, 60])
  })

  test('silence of a job that is not running means nothing; a cancelled one ends by it', () => {
    assert.equal(expire(job({ state: 'queued', cancelRequested: true }), 101), null)
    assert.equal(expire(job({ cancelRequested: true }), 101)?.state, 'cancelled')
    const lost = expire(job({ tries: MAX_TRIES }), 101)!
    assert.deepEqual([lost.state, lost.finishedAt, /silent 5 times/.test(lost.error!.message)], ['failed', 101, true])
    assert.equal(expire(job({ tries: MAX_TRIES - 1 }), 101), null)
    const before = { code: 'internal', message: 'was killed by SIGKILL' }
    assert.match(
      expire(job({ tries: MAX_TRIES, error: before }), 101)!.error!.message,
      /5 tries.*was killed by SIGKILL/,
    )
  })

  test('a job is over when it succeeded, failed or was cancelled', () => {
    const over = JOB_STATES.filter(transitions.isTerminal)
    assert.deepEqual(over.toSorted(), ['cancelled', 'failed', 'succeeded'])
  })
})
