/** The short form of `npm run chaos`, of the same scenarios. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hostile } from './hostile.ts'
import { kills } from './kills.ts'
import { undisturbed, type Expected } from './leftovers.ts'
import { lostAnswers } from './losses.ts'
import type { Report } from './report.ts'

const seed = 1
const say = () => {}
let known: Promise<Expected> | undefined
const expected = () => (known ??= undisturbed(['grpo', 'sft']))

function holds({ violations, figures }: Report): Report['figures'] {
  assert.deepEqual(violations, [])
  return figures
}

describe('chaos, for a minute or two', () => {
  test('killed processes lose and double nothing', async () => {
    // A lost worker's lease takes a minute to run out: exact-resume.test.ts waits for that.
    const what = { layouts: ['split'], targets: ['api', 'job'] } as const
    const options = { seed, kills: 3, ...what, atOnce: 1, expected: await expected(), say }
    const figures = holds(await kills(options))
    assert.ok(figures.kills! >= 3 && figures.attempts! >= figures.jobs!)
  })

  test('nor do broken connections between worker and API', async () => {
    const { lost, unanswered, cut } = holds(await lostAnswers({ seed, share: 0.15, expected: await expected(), say }))
    assert.ok(lost! + unanswered! + cut! > 3)
  })

  test('hostile requests meet no 500, and keep nobody waiting', async () => {
    assert.equal(holds(await hostile({ seed, requests: 200 })).requests, 200)
  })
})
