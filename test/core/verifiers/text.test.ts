import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from '../../../src/core/schemas/parse.ts'
import { verifierSpec } from '../../../src/core/schemas/verify.ts'
import { verifierOf } from '../../../src/core/verifiers/index.ts'

const verify = (spec: unknown, text: string, gold: string) =>
  verifierOf(parse(verifierSpec, spec, 'verifier')).verify({ text, gold })

test('string checks take the texts as they are', async () => {
  const check = async (operation: string, text: string, gold: string) =>
    (await verify({ type: 'string_check', operation }, text, gold)).reward
  assert.deepEqual(await Promise.all([check('eq', 'a', 'a'), check('eq', 'a ', 'a'), check('eq', 'A', 'a')]), [1, 0, 0])
  assert.deepEqual(await Promise.all([check('ne', 'a', 'a'), check('ne', 'b', 'a'), check('neq', 'b', 'a')]), [0, 1, 1])
  assert.deepEqual(await Promise.all([check('like', 'xay', 'a'), check('like', 'xAy', 'a')]), [1, 0])
  assert.deepEqual(await Promise.all([check('ilike', 'xAy', 'a'), check('ilike', 'xy', 'a')]), [1, 0])
})

test('similarity is the reward, and the threshold says what is correct', async () => {
  const spec = { type: 'text_similarity', evaluation_metric: 'rouge_1', pass_threshold: 0.5 }
  // Two of three words each: F1 = 2/3.
  const verdict = await verify(spec, 'the cat sat', 'the cat ran')
  assert.deepEqual(
    { ...verdict, reward: verdict.reward.toFixed(6) },
    { correct: true, extracted: 'the cat sat', reward: '0.666667' },
  )
  assert.equal((await verify({ ...spec, pass_threshold: 0.7 }, 'the cat sat', 'the cat ran')).correct, false)
  assert.match((await verify(spec, 'a '.repeat(20_000), 'a')).reason!, /more than 20000 characters/)
  assert.throws(() => verify(spec, 'a', 'a '.repeat(20_000)), /at most 20000 are compared/)
})

test('options are checked', () => {
  for (const [spec, why] of [
    ['string_check', /must be/],
    [{ type: 'string_check' }, /verifier.operation|operation.* is missing/],
    [{ type: 'string_check', operation: 'glob' }, /operation.*must be "eq"/],
    [{ type: 'text_similarity', evaluation_metric: 'cosine', pass_threshold: 0.5 }, /evaluation_metric.*must be/],
    [{ type: 'text_similarity', evaluation_metric: 'bleu', pass_threshold: 2 }, /pass_threshold/],
    [{ type: 'math', tolerance: 1 }, /tolerance.*is not a known field/],
    [{ type: 'program', tolerance: -1 }, /tolerance/],
    [{ type: 'nothing' }, /type/],
  ] as [unknown, RegExp][])
    assert.throws(() => parse(verifierSpec, spec, 'verifier'), why, JSON.stringify(spec))
})
