import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../../src/core/errors.ts'
import { compileSchema, type JsonValue } from '../../../../src/core/verifiers/json-schema/json-schema.ts'
import { verifierOf } from '../../../../src/core/verifiers/index.ts'

/** By the specification (draft 2020-12): a schema, values that meet it, values that do not. */
const CASES: [schema: JsonValue, meet: JsonValue[], not: JsonValue[]][] = [
  [true, [1, null], []],
  [false, [], [1, null]],
  [{ type: 'integer' }, [1, 1.0, -3], [1.5, '1', null]],
  [{ type: ['string', 'null'] }, ['a', null], [1, []]],
  [{ type: 'array' }, [[]], [{}]],
  [{ type: 'object' }, [{}], [[], null]],
  [{ enum: [1, { a: [1, 2], b: 2 }] }, [1, { b: 2, a: [1, 2] }], [2, { a: [2, 1], b: 2 }, '1']],
  [{ const: null }, [null], [0, false, '']],
  [{ const: 0 }, [0, -0], [false]],
  [{ minimum: 1, exclusiveMaximum: 3 }, [1, 2.9, 'x'], [0, 3]],
  [{ multipleOf: 0.5 }, [1.5, 2], [1.3]],
  [{ multipleOf: 0.01 }, [0.07, 19.99, -0.29, 0, 1e308], [0.075]],
  [{ multipleOf: 0.0001 }, [0.0075], [0.00751]],
  [{ multipleOf: 1e-8 }, [12391239123], []],
  [{ minLength: 2, maxLength: 3 }, ['ab', '😀😀', 1], ['a', 'abcd']],
  [{ pattern: '^a+$' }, ['a', 'aa', 1], ['b', 'ab']],
  [{ format: 'email' }, ['anything'], []],
  [{ items: { type: 'number' } }, [[], [1, 2], 'x'], [[1, 'a']]],
  [{ prefixItems: [{ type: 'string' }], items: { type: 'number' } }, [[], ['a'], ['a', 1]], [[1], ['a', 'b']]],
  [{ prefixItems: [true], items: false }, [[1]], [[1, 2]]],
  [{ minItems: 1, maxItems: 2, uniqueItems: true }, [[1], [1, '1']], [[], [1, 1], [{ a: 1, b: 2 }, { b: 2, a: 1 }], [1, 2, 3]]],
  [{ contains: { minimum: 5 } }, [[1, 6], 'x'], [[], [1]]],
  [{ contains: { const: 1 }, minContains: 0, maxContains: 1 }, [[], [1]], [[1, 1]]],
  [{ properties: { a: { type: 'number' } }, required: ['a'] }, [{ a: 1 }, { a: 1, b: 2 }, 7], [{}, { a: 'x' }]],
  [{ properties: { a: true }, patternProperties: { '^x': { type: 'number' } }, additionalProperties: false }, [{ a: 1, x1: 2 }], [{ b: 1 }, { x1: 'y' }]],
  [{ additionalProperties: { type: 'string' } }, [{ a: 'b' }], [{ a: 1 }]],
  [{ propertyNames: { maxLength: 2 } }, [{ ab: 1 }], [{ abc: 1 }]],
  [{ minProperties: 1, maxProperties: 1 }, [{ a: 1 }], [{}, { a: 1, b: 2 }]],
  [{ dependentRequired: { a: ['b'] } }, [{}, { b: 1 }, { a: 1, b: 1 }], [{ a: 1 }]],
  [{ dependentSchemas: { a: { required: ['c'] } } }, [{ b: 1 }, { a: 1, c: 1 }], [{ a: 1 }]],
  [{ allOf: [{ minimum: 1 }, { maximum: 2 }] }, [1, 2], [0, 3]],
  [{ anyOf: [{ type: 'string' }, { minimum: 5 }] }, ['a', 5], [4]],
  [{ oneOf: [{ multipleOf: 2 }, { multipleOf: 3 }] }, [2, 3], [1, 6]],
  [{ not: { type: 'string' } }, [1], ['a']],
  [{ if: { type: 'string' }, then: { minLength: 2 }, else: { minimum: 2 } }, ['ab', 2], ['a', 1]],
  [{ then: false }, [1], []],
  [{ $ref: '#/$defs/n', $defs: { n: { type: 'number' } } }, [1], ['a']],
  [{ $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': { type: 'number' } } }, [1], ['a']],
  [{ properties: { next: { $ref: '#' } }, additionalProperties: false }, [{ next: { next: {} } }], [{ next: { other: 1 } }]],
  [{ properties: { __proto__: { type: 'string' } }, required: ['toString'] }, [{ toString: 1 }], [{}]],
] // prettier-ignore

test('validates as the specification says', () => {
  for (const [schema, meet, not] of CASES) {
    const compiled = compileSchema(schema)
    for (const value of meet)
      assert.equal(compiled.failure(value), null, `${JSON.stringify(schema)} ${JSON.stringify(value)}`)
    for (const value of not)
      assert.notEqual(compiled.failure(value), null, `${JSON.stringify(schema)} ${JSON.stringify(value)}`)
  }
})

test('says what fails, and where', () => {
  const schema = { properties: { steps: { items: { required: ['n'], properties: { n: { type: 'integer' } } } } } }
  const failure = (value: JsonValue) => compileSchema(schema).failure(value)
  assert.equal(failure({ steps: [{ n: 1 }, {}] }), '/steps/1 lacks "n"')
  assert.equal(failure({ steps: [{ n: 'x' }] }), '/steps/0/n must be integer')
})

test('refuses schemas that it could not hold to', () => {
  for (const schema of [
    1,
    { type: 'strng' },
    { minimum: 'a' },
    { required: 'a' },
    { pattern: '(' },
    { pattern: '(a)\\1' },
    { items: [true] },
    { anyOf: [] },
    { properties: [] },
    { $ref: 'https://example.com/s' },
    { $ref: '#/nowhere' },
    { $ref: '#/type', type: 'object' },
    { unevaluatedProperties: false },
    { multipleOf: 0 },
    { enum: [] },
    { patternProperties: { '[': true } },
  ] as JsonValue[])
    // prettier-ignore
    assert.throws(() => compileSchema(schema), { name: 'Error' }, JSON.stringify(schema))
})

test('no schema and no value makes it take long', () => {
  const before = process.cpuUsage()
  const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as JsonValue
  assert.match(compileSchema({ $ref: '#' }).failure(1)!, /too deeply/)
  assert.match(compileSchema({ anyOf: [{ $ref: '#' }, { $ref: '#' }] }).failure(1)!, /too deeply/)
  assert.match(compileSchema({ items: { $ref: '#' } }).failure(nested(50_000))!, /too deeply/)
  assert.match(compileSchema({ uniqueItems: true }).failure([nested(50_000)])!, /too deeply/)
  assert.match(compileSchema({ const: 1 }).failure(nested(50_000))!, /too deeply/)
  const fan = { allOf: Array.from({ length: 40 }, () => ({ items: { $ref: '#' } })) }
  assert.match(compileSchema(fan).failure(nested(60))!, /too long|too deeply/)
  const enums = { allOf: Array.from({ length: 2000 }, () => ({ enum: ['x'.repeat(50)] })) }
  compileSchema(enums).failure('y'.repeat(200_000))
  assert.match(compileSchema({ pattern: '(a{30}){30}b' }).failure('a'.repeat(200_000))!, /too long|must match/)
  assert.throws(
    () => compileSchema(JSON.parse('{"not":'.repeat(5000) + 'true' + '}'.repeat(5000)) as JsonValue),
    /too deeply/,
  )
  const { user } = process.cpuUsage(before)
  assert.ok(user < 5e6, `${user} µs`)
})

test('as a verifier: the text is JSON of a shape', () => {
  const schema = { type: 'object', required: ['answer'], properties: { answer: { type: 'number' } } } as const
  const fixed = verifierOf({ type: 'json_schema', schema: { ...schema, required: ['answer'] } })
  const verify = (text: string, gold = '') => fixed.verify({ text, gold })
  assert.deepEqual(verify(' {"answer": 5} '), { correct: true, extracted: '{"answer": 5}', reward: 1 })
  assert.deepEqual(verify('```json\n{"answer": 5}\n```'), { correct: true, extracted: '{"answer": 5}', reward: 1 })
  assert.deepEqual(verify('{"answer": "5"}'), {
    correct: false,
    extracted: '{"answer": "5"}',
    reward: 0,
    reason: 'By the schema, /answer must be number.',
  })
  assert.deepEqual(verify('five'), { correct: false, extracted: null, reward: 0, reason: 'The text is not JSON.' })
  const byGold = verifierOf('json_schema')
  assert.equal((byGold.verify({ text: '5', gold: '{"type": "number"}' }) as { correct: boolean }).correct, true)
  const refused = (param: string) => (error: unknown) => error instanceof GavelError && error.param === param
  assert.throws(() => byGold.verify({ text: '5', gold: 'five' }), refused('gold'))
  assert.throws(() => byGold.checkGold('{"type": "no"}'), refused('gold'))
  assert.throws(() => verifierOf({ type: 'json_schema', schema: { type: 'no' } }), refused('verifier.schema'))
})
