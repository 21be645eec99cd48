import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { math } from '../../../src/core/verifiers/math/index.ts'
import { contains, exact } from '../../../src/core/verifiers/text.ts'

const correct = (text: string, gold: string) => math.verify({ text, gold }).correct

test('judges sixty collected answers as people did', () => {
  const file = new URL('../../fixtures/verifier/math-cases.jsonl', import.meta.url)
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(rows.length, 60)
  const wrong = rows.filter((row) => math.verify(row).correct !== row.expected).map((row) => row.id)
  assert.deepEqual(wrong, [])
})

test('finds the answer that is stated last', () => {
  const found: [string, string | null][] = [
    ['First 6*5=30. Then 51-30=21.\n#### 21', '21'],
    ['#### 3\nWait, no.\n#### 5', '5'],
    ['so \\boxed{7}. Then again, the answer is 8.', '8'],
    ['The answer is 8. Check: \\boxed{ 9 }', '9'],
    ['#### 12\nThe answer is correct.', '12'],
    ['#### Conclusion\nThey have 12 apples.', '12'],
    ['**Answer:**\n\n$1,234.50$', '1234.5'],
    ['Final answer: 17 apples (not 18).', '17'],
    ['A: 45', '45'],
    ['She pays $64 for the 16 glasses.', '64'],
    ['So 8 + 9 = 17 apples, out of 20 = 17.', '17'],
    ['It costs 5 dollars. That is all', '5'],
    ['It is -5 degrees', '-5'],
    ['they have 10-5', '5'],
    ['no number here', null],
    ['', null],
    ['...', null],
  ]
  for (const [text, extracted] of found) assert.equal(math.read(text)?.answer ?? null, extracted, text)
})

test('reads numbers as they are written', () => {
  const same: [string, string][] = [
    ['#### 1,234', '1234'], ['#### 1 234', '1234'], ['#### $1{,}234.50', '1234.5'], ['#### −5', '-5'], ['#### -$5', '-5'],
    ['#### .5', '1/2'], ['#### 35%', '35'], ['#### 35\\%', '0.35'], ['#### 3/4', '0.75'], ['#### -\\frac{3}{4}', '-0.75'],
    ['#### \\dfrac34', '3/4'], ['#### 1\\frac{1}{2}', '1.5'], ['#### 1 1/2', '3/2'], ['#### 12.00', '12'], ['#### 12.', '12'],
    ['#### 007', '7'], ['#### 5 cm^2', '5'], ['#### 0.3333', '1/3'], ['#### 1e3', '1000'], ['#### €7', '7'], ['$x = 5$', '5'],
    ['#### 123456789012345678901', '123456789012345678901'],
  ] // prettier-ignore
  for (const [text, gold] of same) assert.equal(correct(text, gold), true, `${text} is ${gold}`)
})

test('does not take near for equal', () => {
  const different: [string, string][] = [
    ['#### 5', '-5'], ['#### 1.2', '12'], ['#### 1234', '123'], ['#### 12', '12.5'], ['#### 0.005', '0.01'], ['#### 0', '0.004'],
    ['#### 1/0', '0'], ['#### 35%', '3.5'], ['#### 123456789012345678901', '123456789012345678902'], ['x2', '2'],
    ['#### 9999.857', '10000'], ['(1, 2)', '(2, 1)'], ['[0, 1)', '[0, 1]'], ['#### 86 glasses and 42 plates', '128'],
  ] // prettier-ignore
  for (const [text, gold] of different) assert.equal(correct(text, gold), false, `${text} is not ${gold}`)
})

test('a decimal is another number to the digits it shows, and a whole number is only itself', () => {
  for (const [text, gold] of [
    ['#### 7.7778', '7.78'],
    ['#### 3.14', '3.1416'],
    ['#### 0.3333', '1/3'],
  ] satisfies [string, string][])
    assert.equal(correct(text, gold), true, `${text} is ${gold}`)
  for (const [text, gold] of [
    ['#### 3.149', '3.14'],
    ['#### 5.995', '6'],
    ['#### 0.33', '1/3'],
    ['#### 2.54', '2.5'],
  ] satisfies [string, string][])
    assert.equal(correct(text, gold), false, `${text} is not ${gold}`)
})

test('the reward is 1, 0.1 or 0', () => {
  const reward = (text: string) => math.verify({ text, gold: '72' }).reward
  assert.deepEqual(['#### 72', '#### 71', 'I do not know', ''].map(reward), [1, 0.1, 0, 0])
})

test('gold may be a whole solution', () => {
  const gold = 'Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = 72 altogether.\n#### 72'
  assert.deepEqual(math.verify({ text: 'The answer is 72.', gold }), { correct: true, extracted: '72', reward: 1 })
})

test('a gold that cannot be compared is an error, never a 0', () => {
  for (const gold of ['', ' ', '$$', 'as many as John has', '1'.repeat(5000)]) {
    const refused = (error: unknown) =>
      error instanceof GavelError && error.code === 'unprocessable' && error.param === 'gold'
    assert.throws(() => math.verify({ text: '#### 1', gold }), refused, gold.slice(0, 20))
    assert.throws(() => math.checkGold(gold), refused)
  }
})

test('exact and contains', () => {
  assert.deepEqual(exact.verify({ text: ' The  end\n', gold: 'The end' }), {
    correct: true,
    extracted: 'The end',
    reward: 1,
  })
  assert.equal(exact.verify({ text: 'the end', gold: 'The end' }).correct, false)
  assert.equal(contains.verify({ text: 'Paris, of course', gold: 'Paris' }).reward, 1)
  assert.equal(contains.verify({ text: 'Lyon', gold: 'Paris' }).reward, 0)
  assert.equal(exact.read(' \n'), null)
  assert.throws(() => contains.verify({ text: 'x', gold: ' ' }), /gold answer is empty/)
})
