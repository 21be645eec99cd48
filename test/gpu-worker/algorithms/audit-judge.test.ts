import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import type { JudgeAuditSpec } from '../../../src/core/schemas/judge-jobs.ts'
import { auditJudge } from '../../../src/gpu-worker/algorithms/audit-judge.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'

/** An audit on ten sums with a judge that is a function of the answer. */
function audited(judge: (item: JudgeItem) => Judgment) {
  const rows = Array.from({ length: 10 }, (_, i) => ({
    line: i + 1,
    row: { prompt: `What is ${i} + 7?`, answer: `${i + 7}`, completion: `${i} + 7 = ${i + 7}.\n#### ${i + 7}` },
  }))
  const context = {
    rows: () => rows,
    stopRequested: () => false,
    metrics: () => {},
    samples: () => {},
    judge: async (items: JudgeItem[]) => items.map(judge),
  } as unknown as RunContext
  const spec = { verifier: 'math', config: { rows: 10, seed: 1, limit: 0.1, threshold: 0.5 } }
  return auditJudge(spec as unknown as JudgeAuditSpec, context)
}
const says = (probability: number): Judgment => ({ outcome: 'scored', probability, labelMass: 1 })
const isRight = ({ question, answer }: JudgeItem) => answer.endsWith(`#### ${parseInt(question.slice(8)) + 7}`)

test('a judge that knows right from wrong passes; one that accepts nothing at all does not', async () => {
  assert.deepEqual((await audited((item) => says(isRight(item) ? 0.9 : 0.1))).failures, [])
  const silent = await audited(() => says(0.1))
  assert.deepEqual([silent.passed, silent.failures], [false, ['other_solution', 'truncated', 'wrong_number']])
})

test('a judge that goes away on the way is not found to have passed', async () => {
  const away = (item: JudgeItem): Judgment =>
    item.answer.includes('####') ? says(0.9) : { outcome: 'failed', reason: 'ECONNREFUSED' }
  await assert.rejects(audited(away), { code: 'judge_unreachable', message: /^empty: none of 10 .*ECONNREFUSED/ })
})

test('very long answers that do not fit into the context keep nobody from passing', async () => {
  const short = (item: JudgeItem): Judgment =>
    item.answer.length > 1000 ? { outcome: 'failed', reason: 'too long' } : says(isRight(item) ? 0.9 : 0.1)
  assert.equal((await audited(short)).passed, true)
})
