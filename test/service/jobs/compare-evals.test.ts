import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SCORES_FILE, type EvalSpec, type RowScores } from '../../../src/core/schemas/eval.ts'
import type { JobRow } from '../../../src/service/database.ts'
import { compareEvals, compareRows } from '../../../src/service/jobs/compare-evals.ts'
import { testApp } from '../../helpers/test-app.ts'

const verified = (line: number, correct: boolean | null): RowScores => ({
  line,
  correct: correct === null ? null : [correct],
  judge: null,
})
const judged = (line: number, p: number | null): RowScores => ({ line, correct: null, judge: [p] })
const refusal = (message: RegExp) => (error: { code?: string; param?: string; message?: string }) => {
  assert.deepEqual([error.code, error.param], ['unprocessable', 'with'])
  assert.match(error.message!, message)
  return true
}

/** By A and B: lines 1–3 both, 4–8 only A, 9 only B, 10–12 neither; A alone has 13, B alone 14 and 15, nobody 16. */
const A = [...Array.from({ length: 12 }, (_, i) => verified(i + 1, i < 8)), verified(13, true), verified(16, null)]
const B = [
  ...Array.from({ length: 12 }, (_, i) => verified(i + 1, i < 3 || i === 8)),
  verified(14, true),
  verified(15, false),
  verified(16, null),
].toReversed()

describe('two evaluations, row by row', () => {
  test('rows are paired by their line; those of one alone are left out', () => {
    const { low, high, p_value, ...counts } = compareRows(A, B)
    assert.deepEqual(counts, {
      by: 'verifier', n: 12, left_out: 3, both: 3, only_a: 5, only_b: 1, neither: 3,
      accuracy_a: 8 / 12, accuracy_b: 4 / 12, difference: -4 / 12,
    }) // prettier-ignore
    // Of six rows that differ five or more to one side: 2 · (1 + 6) / 64.
    assert.ok(Math.abs(p_value - 14 / 64) < 1e-12)
    // After less before: (1 − 5)/14 ± 1.96/14 · √(7 − 16/14), worked out in Python.
    assert.ok(Math.abs(low - -0.624529547) < 1e-6 && Math.abs(high - 0.053100975) < 1e-6, `${low} ${high}`)
  })

  test('by the judge where not both have verdicts: accepted from one half on', () => {
    const byJudge = compareRows(
      [judged(1, 0.5), judged(2, 0.49), judged(3, null)],
      [judged(1, 0.4), judged(2, 1), judged(3, 1)],
    )
    assert.deepEqual([byJudge.by, byJudge.n, byJudge.left_out], ['judge', 2, 1])
    assert.deepEqual([byJudge.only_a, byJudge.only_b, byJudge.both, byJudge.neither], [1, 1, 0, 0])
    const both = { ...judged(1, 0.9), correct: [false] }
    assert.deepEqual([compareRows([both], [both]).by, compareRows([both], [both]).neither], ['verifier', 1])
    assert.deepEqual(
      [compareRows([both], [judged(1, 0.9)]).by, compareRows([both], [judged(1, 0.9)]).both],
      ['judge', 1],
    )
  })

  test('without a row that both have a verdict on there is nothing to say', () => {
    assert.throws(() => compareRows([verified(1, true)], [verified(2, true)]), refusal(/no row on which both/))
    assert.throws(() => compareRows([], []), refusal(/no row/))
  })
})

describe('finished evaluations', () => {
  test('are read from their newest checkpoints', async () => {
    const app = await testApp()
    try {
      const { database, blobs } = app.deps
      const evaluated = async (
        id: string,
        rows: RowScores[] | null,
        changes: Partial<EvalSpec> = {},
      ): Promise<JobRow> => {
        const spec = {
          type: 'eval',
          model: 'model_1',
          dataset: 'ds_1',
          verifier: 'math',
          config: { group_size: 1 },
          ...changes,
        } as EvalSpec
        const made = { id, tenant: 't', key: '', name: null, type: 'eval' as const, spec, createdAt: 1 }
        await database.jobs.insert(made, null)
        const claim = { worker: 'w', kinds: ['eval' as const], tenant: 't', now: 2, leaseMs: 1e5, maxTries: 3 }
        const job = (await database.jobs.claim(claim))!
        const checkpoint = { id: `ckpt_${id}`, tenant: 't', job: id, step: 1, prefix: `p/${id}`, createdAt: 3 }
        if (rows) {
          const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
          await blobs.put(`p/${id}/${SCORES_FILE}`, new TextEncoder().encode(text))
        }
        await database.checkpoints.insert({ ...checkpoint, manifest: { objects: [], state: {} } }, { job: id, fence: job.fence }) // prettier-ignore
        return { ...job, state: 'succeeded' }
      }
      const [a, b] = [await evaluated('job_a', A), await evaluated('job_b', B)]
      const compared = await compareEvals(app.deps, a, b)
      assert.deepEqual([compared.object, compared.a, compared.b], ['eval.comparison', 'job_a', 'job_b'])
      assert.deepEqual([compared.n, compared.only_a, compared.only_b], [12, 5, 1])
      const back = await compareEvals(app.deps, b, a)
      assert.deepEqual([back.a, back.only_a, back.difference], ['job_b', 1, 4 / 12])

      const refused = async (other: JobRow, message: RegExp) => {
        await assert.rejects(compareEvals(app.deps, a, other), refusal(message))
        await assert.rejects(compareEvals(app.deps, other, a), refusal(message))
      }
      await refused(await evaluated('job_c', B, { dataset: 'ds_2' }), /over ds_[12] and job_[ac] over ds_[12]/)
      await refused(await evaluated('job_d', B, { verifier: 'exact' as 'math' }), /was verified by '(math|exact)'/)
      await refused(await evaluated('job_e', B, { config: { group_size: 2 } as EvalSpec['config'] }), /drew 2 answers/)
      await refused({ ...b, state: 'running' }, /job_b is running; wait until/)
      await refused({ ...b, spec: { ...b.spec, type: 'sft' } as JobRow['spec'] }, /job_b is a job of type sft/)
      await refused(await evaluated('job_f', null), /the rows of job_f .* are gone/)
      // One that was not verified is compared by the judge; here it has none, and so no row.
      const unverified = await evaluated('job_g', B.map(({ line }) => judged(line, null)), { verifier: undefined }) // prettier-ignore
      await refused(unverified, /no row on which both/)
    } finally {
      app.close()
    }
  })
})
