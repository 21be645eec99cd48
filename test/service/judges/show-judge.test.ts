import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_ANSWER_CHARS } from '../../../src/core/judges/template.ts'
import type { JudgeBody, ResourceRow } from '../../../src/service/database.ts'
import { showJudge } from '../../../src/service/judges/show-judge.ts'

const row = (body: object) =>
  ({ id: 'judge_1', tenant: 't', name: 'j', version: 2, body, secret: 'sealed', createdAt: 3_000_000 }) as unknown as ResourceRow<JudgeBody> // prettier-ignore

test('a judge that an earlier version stored has what it lacks; its own goes before that', () => {
  const old = showJudge(row({ min_label_mass: 0.5 }))
  assert.deepEqual([old.debias, old.max_answer_chars, old.min_label_mass], [[], MAX_ANSWER_CHARS, 0.5])
  const own = showJudge(row({ debias: ['order'], max_answer_chars: 7 }))
  assert.deepEqual([own.debias, own.max_answer_chars], [['order'], 7])
})

test('a judge is shown with id, name, version and the second it was made, and without its secret', () => {
  const { id, object, name, version, created_at, ...rest } = showJudge(row({ price: null }))
  assert.deepEqual([id, object, name, version, created_at], ['judge_1', 'judge', 'j', 2, 3000])
  assert.deepEqual(Object.keys(rest).sort(), ['debias', 'max_answer_chars', 'price'])
})
