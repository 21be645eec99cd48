import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as v from 'valibot'
import { createJudge } from '../../../src/core/schemas/judge.ts'
import { jobSpec } from '../../../src/core/schemas/job.ts'
import { runGraderRequest } from '../../../src/core/schemas/grader.ts'
import { createModel } from '../../../src/core/schemas/model.ts'
import { record } from '../../../src/core/schemas/fields.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { datasetRow } from '../../../src/core/schemas/dataset.ts'
import { createRecipe, rewardItem, rewardRecipe, rewardsRequest } from '../../../src/core/schemas/reward.ts'
import { verifyRequest } from '../../../src/core/schemas/verify.ts'

const local = { type: 'local', model: 'm' }
const sft = (config: object) => ({ type: 'sft', model: 'm', dataset: 'd', config })
const multi = (graders: unknown) => ({ type: 'multi', name: 'm', graders, calculate_output: '1' })
const pair = v.strictTuple([v.string(), v.string()])
const config = { steps: 1, learning_rate: 0.1, batch_size: 1, max_tokens: 9 }

describe('parse', () => {
  test('names the field and the remedy', () => {
    const cases: [v.GenericSchema, unknown, string, RegExp][] = [
      [createJudge, {}, 'provider', /is missing; give it/],
      [createJudge, 3, 'body', /must be a JSON object/],
      [createJudge, [], 'body', /must be a JSON object/],
      [
        createJudge,
        { provider: { type: 'x' } },
        'provider.type',
        /must be "openai" or "huggingface" or .* or "ensemble", but was "x"/,
      ],
      [
        createJudge,
        { provider: local, foo: 1 },
        'foo',
        /is not a known field; remove it or use one of: name, provider/,
      ],
      [createJudge, { provider: local, template: { user: 3 } }, 'template.user', /must be string, but was 3/],
      [createJudge, { provider: local, concurrency: 0.5 }, 'concurrency', /must be integer, but was 0.5/],
      [rewardsRequest, { reward: { lambda: 1, verifier: 'z' }, items: [] }, 'reward.verifier', /"math" or "exact"/],
      [rewardsRequest, { reward: 'x', items: [] }, 'items', /have a length of >=1, but was 0/],
      [runGraderRequest, { grader: multi({ a: multi({}) }), model_sample: '' }, 'grader.graders.a.type', /was "multi"/],
      [
        runGraderRequest,
        { grader: multi([{ type: 'string_check', name: 'a' }]), model_sample: '' },
        'grader.graders[0].input',
        /is missing; give it/,
      ],
      [runGraderRequest, { grader: multi({}) }, 'model_sample', /is missing; give it/],
      [
        v.array(v.union([pair, v.strictTuple([v.string()])])),
        [['a', 'b', 'c']],
        '[0][2]',
        /is one too many; leave it out/,
      ],
      [jobSpec, { type: 'dpo' }, 'type', /"sft" or "grpo" or "ppo" or "eval"/],
      [jobSpec, sft({ ...config, steps: 0 }), 'config.steps', /must be >=1, but was 0/],
      [jobSpec, sft({ ...config, beta1: 1 }), 'config.beta1', /<=0.999999/],
      [jobSpec, { ...sft(config), prompt_template: 'x' }, 'prompt_template', /\{prompt\}/],
      [createModel, { name: 'job_x', source: { type: 'local', path: '/x' } }, 'name', /must not begin like an id/],
      [createModel, { name: 'x', source: { type: 'hub', repo: 'a/b/c' } }, 'source.repo', /hub id/],
      [createModel, { name: 'x', source: { type: 'local', path: 'a\u0000b' } }, 'source.path', /control characters/],
    ]
    for (const [schema, value, param, message] of cases) {
      assert.throws(() => parse(schema, value), { code: 'invalid_request', param, message }, JSON.stringify(value))
    }
  })

  test('an answer known to be right may be what JSON has for a number; one that has lost digits is refused', () => {
    const item = (answer: unknown) => ({ prompt: 'q', completion: 'c', answer })
    const given: [unknown, string | undefined][] = [
      ['42', '42'],
      [42, '42'],
      [-0.5, '-0.5'],
      [true, 'true'],
      [null, undefined],
    ]
    for (const [answer, expected] of given) assert.equal(parse(rewardItem, item(answer)).answer, expected)
    assert.equal(parse(datasetRow, { prompt: 'q', answer: 42 }).answer, '42')
    assert.equal(parse(verifyRequest, { verifier: 'math', items: [{ text: 't', gold: 1.5 }] }).items[0]!.gold, '1.5')
    const lost = { code: 'unprocessable', param: 'answer', message: /of more digits than JSON's numbers keep/ }
    assert.throws(() => parse(rewardItem, item(2 ** 53)), lost)
    assert.throws(() => parse(rewardItem, item(JSON.parse('1e400'))), lost)
    assert.throws(() => parse(rewardItem, item([42])), { code: 'invalid_request', param: 'answer' })
  })

  test('a verifier that is named counts, one that is not needs no weight of 0', () => {
    assert.equal(parse(rewardRecipe, { verifier: 'math' }).lambda, 1)
    assert.equal(parse(rewardRecipe, { mu: 1, judge: 'j' }).lambda, 0)
    assert.equal(parse(createRecipe, { lambda: 0.5, verifier: 'math' }).lambda, 0.5)
  })

  test('tells what no schema can say from what one does', () => {
    const cases: [v.GenericSchema, unknown, string, RegExp][] = [
      [rewardRecipe, { mu: 1, lambda: 0 }, 'judge', /mu > 0 weighs a judge/],
      [rewardRecipe, { lambda: 0 }, 'lambda', /so are mu and rho/],
      [createRecipe, { lambda: 1 }, 'verifier', /lambda > 0 weighs a verifier/],
      [
        v.strictObject({ input: v.union([v.string(), record(v.unknown())], 'must be text or an object') }),
        { input: JSON.parse('{"__proto__": 1}') },
        'input',
        /has the name __proto__/,
      ],
    ]
    for (const [schema, value, param, message] of cases) {
      assert.throws(() => parse(schema, value), { code: 'unprocessable', param, message }, JSON.stringify(value))
    }
  })

  test('fills in defaults, and keeps what was given', () => {
    const parsed = parse(jobSpec, sft({ ...config, beta1: 0.5 })) as { config: Record<string, unknown> }
    assert.deepEqual(
      {
        beta1: parsed.config.beta1,
        beta2: parsed.config.beta2,
        clip_norm: parsed.config.clip_norm,
        schedule: parsed.config.schedule,
      },
      { beta1: 0.5, beta2: 0.999, clip_norm: 1, schedule: 'constant' },
    )
  })

  test('a giant key is shown cut', () => {
    assert.throws(
      () => parse(createJudge, { ['x'.repeat(10_000)]: 1, provider: local }),
      (error: Error) => error.message.length < 1000,
    )
  })
})
