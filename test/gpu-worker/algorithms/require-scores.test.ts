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
