import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasLostDigits, hasLostNumber, parseJsonKeepingDigits, parseJsonNumbersAsText } from '../../src/core/json.ts'

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
