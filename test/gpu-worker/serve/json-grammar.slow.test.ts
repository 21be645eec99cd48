import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { compileSchema } from '../../../src/core/verifiers/json-schema/json-schema.ts'
import { ByteGrammar, type GrammarState } from '../../../src/gpu-worker/serve/byte-grammar.ts'
import { formatGrammar, type AnswerFormat, type Json } from '../../../src/gpu-worker/serve/json-grammar.ts'

const grammarOf = (format: AnswerFormat) => new ByteGrammar(formatGrammar(format))
const bySchema = (schema: Json) => grammarOf({ type: 'json_schema', schema })

function accepts({ start }: ByteGrammar, text: string | Uint8Array): boolean {
  let state: GrammarState | null = start
  for (const byte of Buffer.from(text)) state = state && state.next(byte)
  return state !== null && state.isEnd
}

/** A text of the grammar: random bytes, ended as soon as chance allows, or null where that takes too long. */
function randomText({ start }: ByteGrammar, rng: SeededRng): string | null {
  let state = start
  const bytes: number[] = []
  while (bytes.length < 2000) {
    if (state.isFinal || (state.isEnd && rng.uniform() < 0.3)) return Buffer.from(bytes).toString()
    const open = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => state.next(byte))
    // What closes is likelier, so that texts end.
    const closing = open.filter((byte) => '"]}'.includes(String.fromCharCode(byte)))
    const from = closing.length && rng.uniform() < 0.4 ? closing : open
    const byte = from[Math.floor(rng.uniform() * from.length)]!
    bytes.push(byte)
    state = state.next(byte)!
  }
  return null
}

const PERSON = {
  type: 'object',
  title: 'Person',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 5 },
    age: { type: 'integer', description: 'in years' },
    tags: { type: 'array', items: { enum: ['a', 'b "c"', 3, null] }, minItems: 1, maxItems: 3 },
    height: { type: ['number', 'null'] },
    friend: { anyOf: [{ $ref: '#' } as Json, { type: 'null' }] },
  },
  required: ['name', 'tags'],
  additionalProperties: false,
}
const LIST = {
  $defs: { node: { type: 'object', properties: { v: true, next: { $ref: '#/$defs/node' } }, required: ['v'], additionalProperties: false } },
  allOf: [{ $ref: '#/$defs/node' }],
} // prettier-ignore
const SCHEMAS: Json[] = [
  true,
  { type: 'object' },
  { type: 'object', additionalProperties: { type: 'boolean' } },
  { type: 'object', properties: {}, additionalProperties: false },
  { type: 'array', items: { type: 'number' }, minItems: 2 },
  { type: 'array', maxItems: 0 },
  { type: 'array', minItems: 1, maxItems: 1 },
  { type: 'string', minLength: 2, maxLength: 3 },
  { type: ['integer', 'boolean'] },
  { const: { a: [1, 'x'] } },
  { enum: ['yes', 'no', 1, null], type: ['string', 'null'] },
  { properties: { a: { type: 'null' } } },
  { maxLength: 1, maxItems: 1 },
  PERSON,
  LIST,
]
const VALUES: Json[] = [
  {}, [], '', 'ab', 'abcd', '🍎🍏', 0, -1, 1.5, true, false, null, 'yes', 'no', 'maybe', [1, 2], [1], ['a'], { a: null },
  { a: 1 }, { a: true, b: false }, { a: [1, 'x'] }, { a: [1, 'y'] }, [[]], { v: 1 }, { v: [{}], next: { v: 2 } }, { next: { v: 1 } },
  { name: 'Tom', tags: ['a'] }, { name: 'Tom', age: 3, tags: ['b "c"', 3, null], height: null, friend: { name: 'x', tags: [3] } },
  { name: 'Thomas', tags: ['a'] }, { name: 'Tom' }, { name: 'Tom', tags: [] }, { name: 'Tom', tags: ['a'], more: 1 },
  { name: 'Tom', age: 1.5, tags: ['a'] }, { name: 'é\n"\\', tags: [null] }, { name: 'Tom', tags: ['a'], friend: null },
] // prettier-ignore

for (const schema of SCHEMAS) {
  const shown = JSON.stringify(schema).slice(0, 100)
  const grammar = bySchema(schema)
  const valid = compileSchema(schema)

  test(`${shown}: every text is JSON that meets it`, () => {
    const rng = new SeededRng(shown)
    let count = 0
    for (let round = 0; round < 300; round++) {
      const text = randomText(grammar, rng)
      if (text === null) continue
      count++
      const value = JSON.parse(text) as Json
      assert.equal(valid.failure(value), null, text)
      assert.ok(text.isWellFormed())
      // One byte changed: still taken only where that is JSON that meets it.
      const bytes = Buffer.from(text)
      bytes[Math.floor(rng.uniform() * bytes.length)] = Math.floor(rng.uniform() * 256)
      if (accepts(grammar, bytes)) assert.equal(valid.failure(JSON.parse(bytes.toString()) as Json), null)
    }
    assert.ok(count > 100, `${count}`)
  })

  test(`${shown}: takes the values that meet it, however they are spaced, and no others`, () => {
    for (const value of VALUES) {
      // Objects of unnamed members are left to those that the schema names.
      const named = typeof schema !== 'object' || !('properties' in schema!) || !isObject(value) || Object.keys(value).every((name) => Object.hasOwn((schema as { properties: object }).properties, name)) // prettier-ignore
      const expected = valid.failure(value) === null && named
      for (const spaces of [0, 2, '\t']) {
        // Constants have one spelling.
        if (spaces !== 0 && isObject(schema) && ('const' in schema || 'enum' in schema)) continue
        assert.equal(accepts(grammar, JSON.stringify(value, null, spaces)), expected, JSON.stringify(value))
      }
    }
  })
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

test('whole numbers keep their bounds', () => {
  const numbers = [0, 1, 5, 7, 9, 10, 11, 19, 20, 42, 99, 100, 101, 123, 999, 1000, 4321, 10 ** 15 - 1]
  const all = [...numbers, ...numbers.map((n) => -n)]
  for (const [minimum, maximum] of [
    [0, 100],
    [-7, 11],
    [42, 42],
    [99, 1000],
    [-1000, -19],
    [undefined, 5],
    [19.5, undefined],
  ] as const) {
    const schema = {
      type: 'integer',
      ...(minimum !== undefined && { minimum }),
      ...(maximum !== undefined && { maximum }),
    }
    const grammar = bySchema(schema)
    const valid = compileSchema(schema)
    for (const n of all)
      assert.equal(accepts(grammar, String(n)), valid.failure(n) === null, `${n} of ${JSON.stringify(schema)}`)
    for (const text of ['', '-', '00', '01', '+1', '1.0', '1e1']) assert.ok(!accepts(grammar, text), text)
  }
  const open = bySchema({ type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 3 })
  assert.deepEqual(
    ['0', '1', '2', '3'].map((text) => accepts(open, text)),
    [false, true, true, false],
  )
})

test('json_object is any object', () => {
  const grammar = grammarOf({ type: 'json_object' })
  for (const text of ['{}', ' {"a": [1, {"b": "\\u00e9\\n"}], "c": -0.5e+7 }', '{"":""}'])
    assert.ok(accepts(grammar, text))
  for (const text of [
    '[]',
    '1',
    '{',
    '{"a":1,}',
    '{a:1}',
    '{"a":01}',
    '{"a":1}}',
    '{"a":"\n"}',
    '{"a":"\\ud83c"}',
    '{"a":+1}',
    '',
  ])
    assert.ok(!accepts(grammar, text), text)
  assert.ok(!accepts(grammar, Uint8Array.of(0x7b, 0x22, 0xe6, 0x22)), 'half a character')
  assert.ok(!accepts(grammar, `{${' '.repeat(40)}}`), 'no endless spaces')
})

test('a choice is one of its texts', () => {
  const many = bySchema({ enum: Array.from({ length: 5000 }, (_, i) => `value ${i}`) })
  assert.deepEqual(
    ['"value 4999"', '"value 5000"', '"value "'].map((text) => accepts(many, text)),
    [true, false, false],
  )
  const grammar = grammarOf({ type: 'choice', options: ['yes', 'yes please', 'nö'] })
  for (const text of ['yes', 'yes please', 'nö']) assert.ok(accepts(grammar, text))
  for (const text of ['', 'ye', 'yes ', 'no']) assert.ok(!accepts(grammar, text))
})

test('refuses keywords that it does not know, naming them and where they are', () => {
  const cases: [Json, RegExp][] = [
    [{ type: 'string', pattern: 'a' }, /has pattern, which is not supported here, at #$/],
    [{ type: 'object', properties: { a: { type: 'string', format: 'date' } } }, /has format, .* at #\/properties\/a$/],
    [{ type: 'number', minimum: 0 }, /has minimum/],
    [{ type: 'integer', minimum: 2, exclusiveMaximum: 2 }, /no whole number is within its bounds/],
    [{ type: 'integer', maximum: '2' }, /has maximum "2", which is no number/],
    [{ oneOf: [{ type: 'string' }] }, /has oneOf/],
    [{ anyOf: [{ type: 'string' }], type: 'string' }, /has type beside anyOf/],
    [{ $ref: '#/$defs/none' }, /has \$ref #\/\$defs\/none, where nothing is/],
    [{ $ref: 'https://example.com' }, /has a \$ref to elsewhere/],
    [{ properties: { a: true }, additionalProperties: true }, /additionalProperties beside properties/],
    [{ type: 'object', required: ['a'] }, /has a required/],
    [{ type: 'array', prefixItems: [true] }, /has prefixItems/],
    [{ type: 'array', minItems: 3, maxItems: 2 }, /allows nothing: minItems is above maxItems/],
    [{ type: 'string', maxLength: 1e9 }, /has maxLength 1000000000/],
    [{ $ref: '#' }, /has \$ref #, which leads back to itself/],
    [{ $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, /leads back to itself/],
    [{ type: 'text' }, /has the type "text"/],
    [{ enum: ['a'], type: 'number' }, /allows no value/],
    [{ anyOf: [] }, /empty anyOf/],
    [false, /allows nothing/],
    [7, /is no schema/],
    [{ items: { items: { not: {} } } }, /has not, .* at #\/items\/items/],
    [{ enum: ['x'.repeat(200_001)] }, /longer than 200000 characters/],
  ]
  for (const [schema, message] of cases)
    assert.throws(() => bySchema(schema), { code: 'invalid_request', param: 'response_format', message })
})

test('alternatives that double at every level are refused instead of computed for ever', () => {
  const branch = { type: 'array', items: { $ref: '#' } }
  const { start } = bySchema({ anyOf: [branch, { ...branch }, { type: 'null' }] })
  assert.throws(
    () => {
      let state: GrammarState | null = start
      for (let i = 0; i < 40; i++) state = state!.next(0x5b)
    },
    { code: 'invalid_request', message: /more than 2000 ways/ },
  )
  const itself = bySchema({ anyOf: [{ $ref: '#' }, { type: 'null' }] })
  assert.ok(accepts(itself, 'null'))
})
