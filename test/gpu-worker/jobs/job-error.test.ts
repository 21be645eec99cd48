import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { jobErrorOf } from '../../../src/gpu-worker/jobs/job-error.ts'

test('our own errors keep their code and whether another try may help', () => {
  const diverged = jobErrorOf(new GavelError('diverged', 'step 3: loss is NaN'))
  assert.deepEqual(diverged, { error: { code: 'diverged', message: 'step 3: loss is NaN' }, retryable: false })
  assert.equal(jobErrorOf(new GavelError('judge_unreachable', 'away')).retryable, true)
})

test('a full disk is named, and everything else is internal and may pass', () => {
  const full = jobErrorOf(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))
  assert.deepEqual([full.error.code, full.retryable], ['disk_full', true])
  assert.match(full.error.message, /ENOSPC.*GAVEL_WORKSPACE.*resume/)
  const other = jobErrorOf(new RangeError('bad index'))
  assert.deepEqual(other, { error: { code: 'internal', message: 'The worker failed: bad index' }, retryable: true })
})

test('a message is no longer than the API takes', () => {
  assert.equal(jobErrorOf(new Error('x'.repeat(9000))).error.message.length, 4000)
})
