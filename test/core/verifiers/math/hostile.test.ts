import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../../src/core/errors.ts'
import { math } from '../../../../src/core/verifiers/math/index.ts'

/** Processor time that one answer may take, in ms: many times what any here takes, so that a busy machine is no failure. */
const LIMIT_MS = 300

function milliseconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function verify(text: string, gold: string): void {
  try {
    math.verify({ text, gold })
  } catch (error) {
    assert.ok(error instanceof GavelError, String(error))
  }
}

test('ten megabytes of anything are answered at once', () => {
  const units = ['1', '1,', '-', '#### ', '\\boxed{', '{', '\\frac{', 'answer is ', 'answer: \n', '$', '1/', '9^{', '\\text{',
    '1 and ', ' ', '(', '|', '\\(', '\\[', '\\\\', 'x=', '\\begin{pmatrix}', '. ',
    '<think>', '</think>', '<answer>', '<!--', '~~a', '<del>', '&lt;', '5 or ', 'not ', '- 12\n', '٥', '5\u0336', '\u200b', '5 m '] // prettier-ignore
  for (const unit of units) {
    const text = unit.repeat(1e7 / unit.length)
    assert.ok(milliseconds(() => verify(text, '5')) < LIMIT_MS, unit)
  }
})

test('the longest span of anything is answered at once, as answer and as gold', () => {
  const units = ['1', '1,', '-', '{', '(', '[', '|', '\\frac{', '\\frac12', '\\sqrt', '\\sin ', 'x', 'x+', 'x^', 'x^{', '9^{', '_',
    '±', '!', '°', '=', 'x=', 'x<', '<', '∪', '1:', '&', '\\\\', '\\', '\\begin{pmatrix}', 'and ', 'one ', '1 and ', '5%', '€1', '$',
    '\\overline{', 'a(', '1 ', '0.', '⇒', ';', '{1,', '(1,',
    'half of ', '2 plus ', 'kg m ', 'm/', 'per ', '0.(3)', '{,}', '…', '1, …, ', '\\cancel{', '\\mathbf{i}+', '(A) ', 'March 5 ', '\\sum_{k=1}^\\infty '] // prettier-ignore
  for (const unit of units) {
    const span = unit.repeat(Math.floor(1990 / unit.length))
    for (const [text, gold] of [
      [`#### ${span}`, '5'],
      [span, span],
      ['5', span],
      [`\\boxed{${span}}`, '$\\frac{x}{2}$'],
    ] satisfies [string, string][])
      assert.ok(milliseconds(() => verify(text, gold)) < LIMIT_MS, unit)
  }
})

test('towers of powers, huge factorials and deep nests are answered at once', () => {
  const deep = (open: string, middle: string, close: string, times: number) =>
    open.repeat(times) + middle + close.repeat(times)
  const monsters = [
    '\\sum_{k=1}^{1000} \\sum_{j=1}^{1000} kj', '\\prod_{k=1}^{1000} \\frac{k^{500}}{7}', '\\sum_{k=1}^{1000} k!', '\\sum_{k=1}^{10} '.repeat(30),
    '9^{9^{9^9}} \\bmod 7', '\\gcd(9^{9^{9}}, 3)', '\\gcd('.repeat(400), '5 mod '.repeat(600), '\\prod_{k=1}^{1000} (x+k)',
    '9^{9^{9^9}}', '9^9^9^9^9^9', '10^{10^{10^{10}}}', '2^{8192}', '2^{100000}', '(2^{99})^{99}', '((9!)!)!', '10^{1000}!',
    '\\binom{1000000000}{500000000}', '1e999', '1e-999', '(1/3+x)^{600}(1/7+y)^{600}', '|x^2-3|<|x|^3',
    deep('(', '1', ')', 900), deep('\\frac{1}{', '2', '}', 200), deep('\\sqrt{', '2', '}', 200), deep('x^{', '2', '}', 300),
    deep('\\{', '1', '\\}', 400), deep('(1,', '2', ')', 300), '|'.repeat(300) + 'x' + '|'.repeat(300), `1${'/3'.repeat(600)}`,
    `(${'x+'.repeat(250)}1)^{8192}`, `${'(x+1/3)'.repeat(180)}`, `\\frac{${'7'.repeat(300)}}{${'3'.repeat(300)}}`,
    `\\{${Array.from({ length: 60 }, (_, i) => `\\pm ${i}\\sqrt{x}`).join(',')}\\}`, '\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}'.repeat(50),
    '\\sum_{i=1}^{\\sum_{j=1}^{\\sum_{k=1}^{99} k} j} i',
    'e^{e^{e^{10}}}', 'e^{100000}', '\\pi+10^{-2000}', '(1+\\sqrt2)^{50000}', '\\pi^{99999}', '\\lfloor \\pi^{100} \\rfloor', '\\sin 1+'.repeat(80) + '1',
    '\\{n\\in\\mathbb{Z}: n^2<90000\\}', '1,2,\\ldots,1000000000', '1,1.0000001,\\ldots,2', deep('e^{', '1', '}', 35), '\\{' + '\\sqrt{2}^{\\sqrt2},'.repeat(40) + '1\\}', `\\begin{pmatrix}${'1&'.repeat(500)}1\\end{pmatrix}`,
  ] // prettier-ignore
  for (const monster of monsters)
    for (const [text, gold] of [
      [monster, monster],
      [`\\boxed{${monster}}`, '5'],
      [`\\boxed{x + ${monster}}`, monster],
      [`\\boxed{x > ${monster}}`, 'x < 5'],
      [`\\boxed{(1, x] \\cup [${monster}, 7)}`, '(1, 2) \\cup (3, 4)'],
    ] satisfies [string, string][])
      assert.ok(milliseconds(() => verify(text, gold)) < LIMIT_MS, `${text.slice(0, 60)} | ${gold.slice(0, 60)}`)
})

test('numbers beyond any limit are still told apart', () => {
  const correct = (text: string, gold: string) => math.verify({ text, gold }).correct
  assert.equal(correct('$10^{10^{10^{10}}}$', '$10^{10^{10^{10}}}$'), true)
  assert.equal(correct('$10^{10^{10^{11}}}$', '$10^{10^{10^{10}}}$'), false)
  assert.equal(correct('1'.repeat(1500), '1'.repeat(1500)), true)
  assert.equal(correct(`${'1'.repeat(1499)}2`, '1'.repeat(1500)), false)
  assert.equal(correct('\\infty', '9^{9^{9^9}}'), false)
})

test('a soup of everything that has a meaning is answered soon, and never throws', () => {
  const tokens = (
    '\\frac { } ( ) [ ] \\{ \\} ^ _ , ; : . … | \\| & \\\\ $ % # #### \\boxed{ \\text{ \\sqrt \\sqrt[ \\left( \\right) \\begin{pmatrix} ' +
    '\\end{pmatrix} \\begin{cases} \\end{cases} \\pm ± \\cup ∪ \\in ∈ \\infty ∞ \\le ≤ < > = ≠ ! + - * / \\cdot x y i e \\pi 1 2 3.5 ' +
    '1,234 10^9 99999999999999999999 0.3… ½ ⁻² √ \\sin \\log_ \\binom and or to half dozen million so thus answer is not ° ° C pm ' +
    'March 5:30 \\over \\displaystyle Answer: A: (A) option B no solution <think> </think> <answer> </answer> half of 0.(3) kg m/s per \\cancel{ \\color{red} ✅ ❌ x∈ℤ \\mathbf{i} {,} doubt - \\lfloor \\rfloor \\! 5!'
  ).split(' ')
  let state = 3
  const random = (n: number) => (state = (state * 48271) % 2147483647) % n
  const soup = () =>
    Array.from({ length: 1 + random(400) }, () => tokens[random(tokens.length)] + ' '.repeat(random(2))).join('')
  let slowest = 0
  for (let i = 0; i < 1500; i++) {
    const [text, gold] = [soup(), i % 3 ? '7' : `7${soup().slice(0, 1900)}`]
    const before = process.cpuUsage()
    try {
      math.verify({ text, gold })
    } catch (error) {
      assert.ok(error instanceof GavelError && error.param === 'gold', String(error))
    }
    slowest = Math.max(slowest, process.cpuUsage(before).user / 1000)
  }
  assert.ok(slowest < 1000, `${slowest} ms`)
})

test('words that every object of JavaScript knows are words like others', () => {
  for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf']) {
    for (const text of [`#### ${word}`, `#### 5 ${word}`, `#### five ${word}`, `#### two and a half ${word}`]) {
      assert.equal(math.verify({ text, gold: '6' }).correct, false, text)
    }
  }
})
