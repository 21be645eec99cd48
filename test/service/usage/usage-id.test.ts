import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf, usageId } from '../../../src/service/usage/usage-id.ts'

test('a row of the ledger is named by day, payer and judge, and by its job where there is one', () => {
  const row = { day: '2026-11-25', payer: 'key_1', judge: 'judge_1' }
  assert.equal(usageId({ ...row, job: '' }), '2026-11-25/key_1/judge_1')
  assert.equal(usageId({ ...row, job: 'job_1' }), '2026-11-25/key_1/judge_1/job_1')
  assert.equal(usageId({ ...row, judge: '', job: '' }), '2026-11-25/key_1/')
})

test('a day begins and ends at midnight in UTC', () => {
  const midnight = Date.parse('2026-11-25T00:00:00Z')
  assert.deepEqual([midnight - 1, midnight].map(dayOf), ['2026-11-24', '2026-11-25'])
})
