import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unlimited } from '../../../src/core/work-budget.ts'
import { graderContext } from '../../../src/core/graders/fill-template.ts'
import { grade } from '../../../src/core/graders/grade.ts'
import type { ProgramCall, ProgramRunner } from '../../../src/core/ports.ts'

/** A python grader's run, with what the program is called with, as it is sent. */
async function run(modelSample: string, item: Record<string, unknown>) {
  const calls: string[] = []
  const programs: ProgramRunner = {
    call: async ({ args }: ProgramCall) => {
      calls.push(JSON.stringify(args))
      return { outcome: 'returned', text: '1', number: 1, output: '' }
    },
  }
  const ask = () => Promise.reject(new Error('no judge here'))
  const grader = { type: 'python', name: 'p', source: 'def grade(sample, item): return 1' } as const
  const { score, failure } = await grade(grader, graderContext(modelSample, item), { ask, programs, work: unlimited() })
  return { score, flag: failure?.flag, calls }
}

test('a python grader is given every digit of what the model wrote', async () => {
  const { score, calls } = await run('{"n": 9007199254740993}', { answer: '9007199254740993' })
  assert.equal(score, 1)
  assert.match(calls[0]!, /"output_json":\{"n":9007199254740993\}/)
  assert.match((await run('12345678901234567890', {})).calls[0]!, /"output_json":12345678901234567890\b/)
})

test('a number that has lost digits is refused before a program sees it', async () => {
  const item = await run('a', { answer: JSON.parse('9007199254740993') as number })
  assert.deepEqual([item.score, item.flag, item.calls], [0, 'invalid_variable_error', []])
  const sample = await run('[1e400]', {})
  assert.deepEqual([sample.score, sample.flag, sample.calls], [0, 'sample_parse_error', []])
})
