import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { finiteOrStop, REMEDIES } from '../../../src/gpu-worker/algorithms/finite-or-stop.ts'

/** What is said of the rows that a NaN may have come from. */
function said(rows: readonly { role: string; line: number }[]): string {
  try {
    finiteOrStop(2, { loss: NaN }, REMEDIES.reinforcement, rows)
  } catch (error) {
    assert.ok(error instanceof GavelError && error.code === 'diverged')
    return /^step 2: loss is NaN(.*)\. Nothing of this step was kept;/.exec(error.message)![1]!
  }
  return assert.fail('it did not stop')
}
const rows = (role: string, ...lines: number[]) => lines.map((line) => ({ role, line }))

describe('finiteOrStop', () => {
  test('lets finite numbers pass and stops at the first that is not', () => {
    finiteOrStop(1, { loss: -1e30, gradient_norm: 0 }, REMEDIES.update)
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(() => finiteOrStop(1, { loss: bad, gradient_norm: NaN }, REMEDIES.update), {
        code: 'diverged',
        message: new RegExp(`^step 1: loss is ${bad}\\. `),
      })
    }
  })

  test('names the rows by dataset, each once, and how many more there are beyond ten', () => {
    assert.equal(said([]), '')
    assert.equal(said(rows('labelled', 3)), ', from labelled, line 3')
    const both = [...rows('labelled', 3, 7, 3), ...rows('unlabelled', 3)]
    assert.equal(said(both), ', from labelled, lines 3, 7; unlabelled, line 3')
    const ten = rows('dataset', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert.equal(said(ten), ', from dataset, lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10')
    assert.equal(said([...ten, ...rows('dataset', 11, 12, 12)]), `${said(ten)} and 2 more`)
  })
})
