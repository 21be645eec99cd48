import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckpointRow } from '../../../src/service/database.ts'
import { bestOf } from '../../../src/service/jobs/keep-checkpoints.ts'

const rows = (...steps: number[]) => steps.map((step) => ({ id: `ckpt_${step}`, step }) as CheckpointRow)
const history = (values: Record<number, number>) =>
  Object.entries(values).map(([step, value]) => ({ step: Number(step), value }))

test('the best checkpoint is the one with the largest value of its own time, of those alike the earliest', () => {
  const best = (steps: number[], values: Record<number, number>, every = 4) =>
    bestOf(rows(...steps), history(values), every)?.step ?? null
  assert.equal(best([4, 8, 12], { 4: 0.1, 8: 0.3, 12: 0.2 }), 8)
  assert.equal(best([4, 8, 12], { 4: 0.3, 8: 0.3, 12: 0.2 }), 4)
  assert.equal(best([4, 8, 12], {}), null)
  // A look between two checkpoints is the later one's; one from before the checkpoint before is nobody's.
  assert.equal(best([4, 8, 12], { 3: 0.1, 6: 0.5 }), 8)
  assert.equal(best([4, 8, 12], { 0: 0.9, 6: 0.5 }), 8)
  assert.equal(best([8, 12], { 4: 0.9, 7: 0.1, 11: 0.2 }), 12)
  assert.equal(best([4, 8], { 5: 0.9, 8: 0.1, 4: 0 }), 8)
  // Without any but the last and those of pauses, whatever was seen last counts.
  assert.equal(best([3, 10], { 2: 0.4, 5: 0.2 }, 0), 3)
})
