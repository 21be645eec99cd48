import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as B from '../../../../../src/core/verifiers/math/arithmetic/ball.ts'
import { cleanMath } from '../../../../../src/core/verifiers/math/parsing/clean-math.ts'
import { parseExpression } from '../../../../../src/core/verifiers/math/parsing/parse-expression.ts'
import { samePrecisely } from '../../../../../src/core/verifiers/math/arithmetic/precise.ts'
import { rational, type Rational } from '../../../../../src/core/verifiers/math/arithmetic/rational.ts'

/** What mpmath computes (test/python/ball_reference.py), to 120 digits. */
const reference = JSON.parse(
  readFileSync(new URL('../../../../fixtures/verifier/ball.json', import.meta.url), 'utf8'),
) as { fn: keyof typeof FUNCTIONS; n: number; d: number; value: string }[]

const PRECISION = 256
const FUNCTIONS = {
  pi: () => B.pi(PRECISION),
  exp: (x: B.Ball) => B.exp(x, PRECISION),
  sin: (x: B.Ball) => B.sineAndCosine(x, PRECISION)?.[0],
  cos: (x: B.Ball) => B.sineAndCosine(x, PRECISION)?.[1],
  arctan: (x: B.Ball) => B.arctan(x, PRECISION),
  ln: (x: B.Ball) => B.ln(x, PRECISION),
  sqrt: (x: B.Ball) => B.root(x, 2, PRECISION),
  root5: (x: B.Ball) => B.root(x, 5, PRECISION),
}

/** `1.25e-3` as a fraction: BigInts, since its digits are more than a double's. */
function decimal(spelled: string): { n: bigint; d: bigint } {
  const [digits = '', exponent = '0'] = spelled.split('e')
  const [whole = '', behind = ''] = digits.split('.')
  const shift = Number(exponent) - behind.length
  const n = BigInt(whole + behind)
  return shift < 0 ? { n, d: 10n ** BigInt(-shift) } : { n: n * 10n ** BigInt(shift), d: 1n }
}

const abs = (n: bigint) => (n < 0n ? -n : n)

test('a ball holds the number that mpmath computes, and little beside', () => {
  assert.ok(reference.length > 50)
  for (const { fn, n, d, value } of reference) {
    const ball = FUNCTIONS[fn](B.fromRational(rational(BigInt(n), BigInt(d))!, PRECISION))
    assert.ok(ball, `${fn}(${n}/${d})`)
    const { n: top, d: bottom } = decimal(value)
    // |m · 2^e − top / bottom| ≤ r · 2^e, with one unit of the 119th digit for what mpmath rounds.
    const [up, down] = ball.e >= 0 ? [1n << BigInt(ball.e), 1n] : [1n, 1n << BigInt(-ball.e)]
    const distance = abs(ball.m * up * bottom - top * down)
    const allowed = ball.r * up * bottom + (abs(top) * down) / 10n ** 118n + down
    assert.ok(distance <= allowed, `${fn}(${n}/${d})`)
    assert.ok(B.bits(ball.m) - B.bits(ball.r) > 200, `${fn}(${n}/${d}) is known to 200 bits`)
  }
})

const same = (a: string, b: string, at: (name: string) => Rational | null = () => null) =>
  samePrecisely(parseExpression(cleanMath(a))!, parseExpression(cleanMath(b))!, at)

test('identities hold, and their neighbours do not, however near', () => {
  const identities: [string, string][] = [
    ['\\sqrt{2}\\sqrt{3}', '\\sqrt{6}'], ['\\sqrt{3+2\\sqrt2}', '1+\\sqrt2'], ['e^{\\ln 7}', '7'], ['\\sin^2 1+\\cos^2 1', '1'],
    ['\\tan\\frac{\\pi}{4}', '1'], ['4\\arctan 1', '\\pi'], ['16\\arctan\\frac15-4\\arctan\\frac1{239}', '\\pi'],
    ['\\ln 8', '3\\ln 2'], ['\\log_2 8', '3'], ['\\log 1000', '3'], ['\\arcsin 1', '\\frac{\\pi}{2}'], ['\\arccos(-1)', '\\pi'],
    ['\\sinh 1', '\\frac{e-e^{-1}}{2}'], ['\\sqrt[3]{-8}', '-2'], ['\\cos 60°', '\\frac12'], ['2^{1/2}', '\\sqrt2'],
    ['(1+\\sqrt2)^{100}(1-\\sqrt2)^{100}', '1'], ['\\lceil\\pi\\rceil', '4'], ['|1-\\sqrt2|', '\\sqrt2-1'],
  ] // prettier-ignore
  for (const [a, b] of identities) {
    assert.equal(same(a, b), true, `${a} = ${b}`)
    for (const little of ['10^{-20}', '10^{-300}', 'e^{-200}']) {
      assert.equal(same(`${a}+${little}`, b), false, `${a} + ${little}`)
      assert.equal(same(a, `${b}-${little}`), false, `${b} - ${little}`)
    }
  }
})

test('what is not real, or would take too long, gets no verdict', () => {
  assert.equal(same('\\sqrt{-2}', '1'), null)
  assert.equal(same('\\ln(-1)', '1'), null)
  assert.equal(same('\\frac{1}{\\sin 1-\\sin 1}', '1'), null)
  assert.equal(same('\\pi+10^{-4000}', '\\pi'), 'costly')
})

test('variables have the values they are given', () => {
  const at = (name: string) => (name === 'x' ? rational(7n, 3n) : null)
  assert.equal(same('\\sqrt{x^2}', 'x', at), true)
  assert.equal(same('\\sqrt{x^2+10^{-30}}', 'x', at), false)
  assert.equal(same('y', 'x', at), null)
})
