import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireScores } from '../../../src/gpu-worker/algorithms/require-scores.ts'

const scored = { outcome: 'scored' }
const abstained = { outcome: 'abstained', reason: 'label mass 0.1' }
const failed = { outcome: 'failed', reason: 'ECONNREFUSED' }

test('one score, or nothing to score, is enough', () => {
  requireScores('step 1', [])
  requireScores('step 1', [failed, scored, abstained])
})

test('a judge that failed may be there again; one that never decides will not', () => {
  assert.throws(() => requireScores('step 1', [abstained, failed]), {
    code: 'judge_unreachable',
    message: 'step 1: none of 2 answers got a score: the judge failed (ECONNREFUSED). Mend it, then resume the job.',
  })
  assert.throws(() => requireScores('step 1', [abstained]), {
    code: 'invalid_request',
    message: /label mass 0\.1.*min_label_mass/,
  })
})

test('of several outcomes the first failure gives the reason, and without any the first outcome', () => {
  const other = { outcome: 'failed', reason: 'ETIMEDOUT' }
  assert.throws(() => requireScores('step 2', [abstained, other, failed]), { message: /failed \(ETIMEDOUT\)/ })
  const unsure = { outcome: 'abstained', reason: 'said maybe' }
  assert.throws(() => requireScores('step 2', [unsure, abstained]), {
    message:
      'step 2: none of 2 answers got a score: the judge gave no verdict (said maybe). Use another judge, template or min_label_mass.',
  })
  assert.throws(() => requireScores('step 2', [{ outcome: 'failed' }]), { message: /failed \(no reason given\)/ })
})
