import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linearPattern } from '../../../../src/core/verifiers/json-schema/linear-pattern.ts'

const matches = (pattern: string, text: string) => linearPattern(pattern).test(text, () => {})

test("agrees with JavaScript's own engine on patterns put together at random", () => {
  let seed = 1
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n
  const atoms = [
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    '\\s',
    '(?:a|b)',
    '(a?b)',
    '^',
    '$',
    '\\b',
    '\\B',
    '\\u{62}',
    '',
  ]
  const marks = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?', '+?']
  const piece = (depth: number): string => {
    const atom = depth > 0 && random(3) === 0 ? `(${pattern(depth - 1)})` : atoms[random(atoms.length)]!
    return atom === '' || /[$^]$|\\[bB]$/.test(atom) ? atom : atom + marks[random(marks.length)]
  }
  const pattern = (depth: number): string =>
    Array.from({ length: 1 + random(2) }, () =>
      Array.from({ length: 1 + random(3) }, () => piece(depth)).join(''),
    ).join('|')
  let matched = 0
  for (let i = 0; i < 4000; i++) {
    const source = pattern(2)
    const text = Array.from({ length: random(8) }, () => 'aab1 b'[random(6)]).join('')
    const expected = new RegExp(source, 'u').test(text)
    assert.equal(matches(source, text), expected, `/${source}/ on ${JSON.stringify(text)}`)
    if (expected) matched++
  }
  assert.ok(matched > 500 && matched < 3800, `${matched} of 4000 match`)
})

test('patterns that people write', () => {
  for (const [pattern, yes, no] of [
    ['^[A-Z]{2}-\\d{4}$', 'AB-1234', 'AB-123'],
    ['^\\S+@\\S+\\.\\w{2,}$', 'a@b.org', 'a@b'],
    ['^\\p{L}+$', 'Größe', 'a1'],
    ['^(?<year>\\d{4})-(0[1-9]|1[0-2])$', '2026-12', '2026-13'],
    ['^\\u0041\\x42[\\]\\\\]$', 'AB]', 'AB['],
    ['^.$', '😀', 'ab'],
  ] satisfies [string, string, string][])
    assert.deepEqual([matches(pattern, yes), matches(pattern, no)], [true, false], pattern)
})

test('is linear where others hang', () => {
  const before = process.cpuUsage()
  for (const pattern of ['^(a+)+$', '^(a|aa)*b$', '(a*)*c', '(.*)(.*)(.*)(.*)(.*)x$', '^(a?){50}a{50}$'])
    matches(pattern, `${'a'.repeat(2000)}!`)
  const { user } = process.cpuUsage(before)
  assert.ok(user < 5e6, `${user} µs`)
})

test('says what it refuses', () => {
  for (const [pattern, why] of [
    ['(?=a)b', /looks ahead/],
    ['(?<!a)b', /looks ahead or behind/],
    ['(a)\\1', /refers back/],
    ['(a', /Unterminated group/],
    ['a{1000}{1000}', /too large|Nothing to repeat/],
    ['(a{100}){100}', /too large/],
    ['('.repeat(100) + ')'.repeat(100), /nested too deeply/],
  ] as [string, RegExp][])
    assert.throws(() => linearPattern(pattern), why, pattern)
})
