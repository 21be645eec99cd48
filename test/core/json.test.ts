import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  hasLostDigits,
  hasLostNumber,
  parseJsonKeepingDigits,
  parseJsonNumbersAsText,
  parseStrictJson,
  refuseManyValues,
} from '../../src/core/json.ts'
import { cpuSeconds } from '../helpers/cpu-seconds.ts'

const refused = (text: string, message: RegExp, param: string | null) =>
  assert.throws(() => parseStrictJson(text), (error: Error & { code?: string; param?: string | null }) => {
    assert.deepEqual([error.code, error.param], ['unprocessable', param], text)
    assert.match(error.message, message, text)
    return true
  }) // prettier-ignore

describe('parseStrictJson', () => {
  test('gives what JSON.parse gives', () => {
    for (const text of [
      '{}',
      '[]',
      ' null ',
      '"a\\":"',
      '{"a":{"a":1},"b":[{"a":2},{"a":3}]}',
      '{"a\\\\":1,"a\\"":2,"a":"\\\\\\":"}',
      '{"a" \n\t: "b:", "": {"": ""}}',
      '{"__proto__": 1, "constructor": {"x": 2}}',
      '{"1": 1, "0": 2, "é": 3, "e\\u0301": 4}',
      '{"a":"the same: \\"a\\": 1, \\"a\\": 2"}',
      '[1e308, -1e308, 5e-324, 0e-999, 0.000e-400, 1e-100]',
      '{"step": "in 1e-400 steps"}',
    ])
      assert.deepEqual(parseStrictJson(text), JSON.parse(text), text)
    assert.throws(() => parseStrictJson('{"a":1,}'), SyntaxError)
  })

  test('refuses a key that comes twice in an object, and says where', () => {
    refused('{"gold":1,"gold":2}', /the key "gold" twice in one object, and only the last would count\. Keep one\./, 'gold') // prettier-ignore
    refused('{"a":1,\n "b":[{"c":1},\n{"c":1,"d":{}, "c":2}]}', /"c" twice in one object \(again on line 3\)/, 'c')
    // However it is written.
    refused('{"a":1,"\\u0061":1}', /"a" twice/, 'a')
    refused('{"__proto__":1,"__proto__":2}', /"__proto__" twice/, '__proto__')
    refused('{"x\\\\":1,"y":"\\"","x\\\\":1}', /"x\\\\" twice/, 'x\\')
    refused('{"":1,"":1}', /the key "" twice/, '')
    refused(`{"${'k'.repeat(500)}":1,"${'k'.repeat(500)}":2}`, /"k{100}" twice/, 'k'.repeat(100))
  })

  test('refuses numbers that would become infinite or 0, and names their field', () => {
    refused('{"gold":1e400}', /a number at "gold" that is too large or too small/, 'gold')
    refused('{"a":[{"b":[1,-1e999]}]}', /at "b"/, 'b')
    refused('1e400', /The JSON has a number that is too large/, null)
    refused('{"a":1,"gold":-1e-400}', /at "gold"/, 'gold')
    refused(`{"a":0.${'0'.repeat(400)}1}`, /at "a"/, 'a')
    refused('{"a":"1e-400","gold":0.03E-4000}', /at "gold"/, 'gold')
  })

  test('refuses what is nested too deeply, without running out of stack', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    assert.equal(JSON.stringify(parseStrictJson(nested(33))), nested(33))
    refused(nested(34), /nested more than 32 levels/, null)
    refused(nested(1_000_000), /nested more than 32 levels/, null)
  })

  test('is in a moment through a text that is made to hold it up', () => {
    const hostile = [
      `{"a":"${'\\\\'.repeat(500_000)}"}`,
      `{"a":"${'\\"'.repeat(500_000)}"}`,
      `{"a":"${'":'.repeat(300_000).replaceAll('"', '\\"')}"}`,
      `{"a":"${'1e-1'.repeat(300_000)}"}`,
      `[${'1e-100,'.repeat(200_000)}0]`,
      `[0.${'0'.repeat(1_000_000)}, 1e-100]`,
    ]
    assert.ok(cpuSeconds(() => hostile.forEach(parseStrictJson)) < 5)
  })
})

test('numbers that lost digits are told from those that did not', () => {
  for (const lost of [2 ** 53, -(2 ** 60), 1e30, Infinity, -Infinity])
    assert.equal(hasLostDigits(lost), true, String(lost))
  for (const kept of [0, 1.5, 2 ** 53 - 1, -5, '12345678901234567890', true, null, undefined])
    assert.equal(hasLostDigits(kept), false, String(kept))
  assert.equal(hasLostNumber({ a: [1, { b: 'x' }] }), false)
  assert.equal(hasLostNumber({ a: [1, { b: Infinity }] }), true)
})

test('numbers of more digits than doubles keep become texts, and nothing else does', () => {
  const text =
    '{"a": 12345678901234567890, "b": 1e400, "c": 1.5, "d": "9007199254740993", "e": [9007199254740993, true]}'
  assert.deepEqual(parseJsonNumbersAsText(text), {
    a: '12345678901234567890',
    b: '1e400',
    c: 1.5,
    d: '9007199254740993',
    e: ['9007199254740993', true],
  })
  assert.throws(() => parseJsonNumbersAsText('{"a": '), SyntaxError)
})

test('written again, whole numbers have all their digits', () => {
  const digits = '1'.repeat(400)
  for (const text of ['12345678901234567890', `{"a":[9007199254740993,1.5,${digits}]}`, '"12345678901234567890"'])
    assert.equal(JSON.stringify(parseJsonKeepingDigits(text)), text)
  assert.equal(hasLostNumber(parseJsonKeepingDigits('[9007199254740993]')), false)
  assert.equal(hasLostNumber(parseJsonKeepingDigits('[1e400]')), true, 'infinite, and no whole number as written')
})

test('JSON of very many values, or of an object of very many fields, is refused before it is read', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const refused = (text: string, message: RegExp) =>
    assert.throws(() => refuseManyValues(bytes(text)), { code: 'too_large', param: 'body', message })
  const many = (part: string, count: number) => Array.from({ length: count }, () => part).join()
  refuseManyValues(bytes(`[${many('1', 499_000)}]`))
  refused(`[${many('1', 501_000)}]`, /more than 500000 values/)
  refused(`{"items":[${many('[]', 251_000)}]}`, /more than 500000 values/)
  refused('['.repeat(501_000), /more than 500000 values/)
  const object = (fields: number) => `{${Array.from({ length: fields }, (_, i) => `"k${i}":1`).join()}}`
  refuseManyValues(bytes(object(9_900)))
  refused(object(10_100), /an object of more than 10000 fields/)
  refuseManyValues(bytes(`[${many(object(9), 9000)}]`))
  // What stands in texts counts for nothing, whatever stands before their quotes.
  for (const text of [',[{', '\\",[', '\\\\', '\\\\\\",', 'a\\\\\\\\'])
    refuseManyValues(bytes(`{"a":"${text.repeat(200_000)}","b":"${text}"}`))
  for (const text of ['"', '"\\"', '{"a', '', '\\', ']]]', '}{']) refuseManyValues(bytes(text))
})

test('a text with many escaped quotes is read to its end', () => {
  const value = { 'a"': 'x\\"y"\\', b: ['\\', '"', '""\\\\'] }
  assert.deepEqual(parseStrictJson(JSON.stringify(value)), value)
  assert.throws(() => parseStrictJson('{"a\\"b":1,"c":"\\"","a\\"b":2}'), /has the key "a\\"b" twice/)
})
