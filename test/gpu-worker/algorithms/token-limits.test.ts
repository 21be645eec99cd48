import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Resume, RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { answerLimits, rowLimit } from '../../../src/gpu-worker/algorithms/token-limits.ts'

function heard(resume: Resume | null = null) {
  const events: string[] = []
  const event = (_: string, message: string) => void events.push(message)
  return { events, context: { event, resume } as unknown as RunContext }
}
const GOING_ON = { step: 1, state: {}, folder: '' }

describe('rowLimit', () => {
  test('is what the job says, else 1024 or the context, and an event says which', () => {
    const { events, context } = heard()
    assert.deepEqual([rowLimit(undefined, 4096, context), rowLimit(300, 512, context), rowLimit(512, 512, context)], [1024, 300, 512]) // prettier-ignore
    assert.deepEqual(events, [])
    assert.equal(rowLimit(undefined, 512, context), 512)
    assert.deepEqual(events, ["max_tokens is 512, to fit the model's context of 512 tokens"])
    const again = heard(GOING_ON)
    assert.equal(rowLimit(undefined, 512, again.context), 512)
    assert.deepEqual(again.events, [], 'said once a job')
  })

  test('refuses more than the context with the number that fits', () => {
    assert.throws(() => rowLimit(513, 512, heard().context), {
      code: 'prompt_too_long',
      param: 'config.max_tokens',
      message: "max_tokens is 513, but the model's context is 512 tokens; give 512 at most, or leave it out",
    })
  })
})

describe('answerLimits', () => {
  const USUAL = { max_prompt_tokens: 512, max_new_tokens: 256 }
  const limits = (prompt: number | undefined, answer: number | undefined, contextLength: number) => {
    const { events, context } = heard()
    const given = { max_prompt_tokens: prompt, max_new_tokens: answer }
    const { max_prompt_tokens, max_new_tokens } = answerLimits(given, USUAL, contextLength, context)
    return [max_prompt_tokens, max_new_tokens, ...events]
  }
  const says = (what: string, contextLength: number) => `${what}, to fit the model's context of ${contextLength} tokens`

  test('both as usual where there is room; what is given stands', () => {
    assert.deepEqual(limits(undefined, undefined, 768), [512, 256])
    assert.deepEqual(limits(2000, 96, 4096), [2000, 96])
  })

  test('with less, answers get half of it at most, and prompts the rest', () => {
    assert.deepEqual(limits(undefined, undefined, 767), [511, 256, says('max_prompt_tokens is 511', 767)])
    assert.deepEqual(limits(undefined, undefined, 512), [256, 256, says('max_prompt_tokens is 256', 512)])
    const both = says('max_prompt_tokens is 32 and max_new_tokens is 32', 64)
    assert.deepEqual(limits(undefined, undefined, 64), [32, 32, both])
    assert.deepEqual(limits(undefined, undefined, 2), [1, 1, says('max_prompt_tokens is 1 and max_new_tokens is 1', 2)])
  })

  test('the one that is left out makes way for the one that is given', () => {
    assert.deepEqual(limits(undefined, 400, 512), [112, 400, says('max_prompt_tokens is 112', 512)])
    assert.deepEqual(limits(500, undefined, 512), [500, 12, says('max_new_tokens is 12', 512)])
    assert.deepEqual(limits(16, undefined, 512), [16, 256])
  })

  test('refuses what leaves no room, with numbers that fit', () => {
    const refused = (prompt: number | undefined, answer: number | undefined, message: RegExp) =>
      assert.throws(() => limits(prompt, answer, 512), { code: 'prompt_too_long', message })
    refused(undefined, 512, /^max_new_tokens is 512, .* context is 512 tokens, and a prompt needs .*; give 511 at most/)
    refused(600, undefined, /^max_prompt_tokens is 600, .* an answer needs .*; give 511 at most/)
    refused(400, 200, /^max_new_tokens \(200\) and max_prompt_tokens \(400\) are 600 together, .* lower max_prompt_tokens to 312, or max_new_tokens to 112,/) // prettier-ignore
    assert.deepEqual(limits(312, 200, 512), [312, 200])
  })
})
