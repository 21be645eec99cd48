import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { math } from '../../../../src/core/verifiers/math/index.ts'

const rows = ['kinds', 'adversarial'].flatMap((name) =>
  readFileSync(new URL(`../../../fixtures/verifier/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; gold: string; expected: boolean; tier: string }),
)
const correct = (text: string, gold: string) => math.verify({ text, gold }).correct

for (const [kind, some] of Map.groupBy(rows, ({ tier }) => tier)) {
  test(`${kind}: every way to write an answer is told from every wrong one`, () => {
    const wrong = some.filter(({ text, gold, expected }) => correct(text, gold) !== expected)
    assert.deepEqual(wrong, [])
  })
}

/** Random numbers from a seed. */
function randomOf(seed: number) {
  let state = seed
  return (n: number) => (state = (state * 48271) % 2147483647) % n
}

const WRAPS = [
  (a: string) => `#### ${a}`,
  (a: string) => `So \\boxed{${a}}.`,
  (a: string) => `The answer is $${a}$.`,
  (a: string) => `**Answer:** ${a}`,
  (a: string) => `Some text with 17 numbers.\n\nFinal Answer: \\(${a}\\)`,
]

test('a number written another way is the same; with one digit changed, it is another', () => {
  const random = randomOf(7)
  for (let i = 0; i < 400; i++) {
    const whole = random(2) ? random(1000) : random(1_000_000_000)
    const cents = random(2) ? `.${1 + random(9)}${1 + random(9)}` : ''
    const gold = `${random(3) === 0 ? '-' : ''}${whole}${cents}`
    const digits = whole.toString()
    const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ',')
    const sign = gold.startsWith('-') ? '-' : ''
    const ways = [
      gold,
      sign + grouped + cents,
      sign + grouped.replaceAll(',', '{,}') + cents,
      sign + grouped.replaceAll(',', '\\,') + cents,
      `${gold}${cents ? '0' : '.0'}`,
      gold.replace('-', '\u2212'),
      `x = ${gold}`,
      `\\text{ } ${gold}`,
      `${gold}\\text{ apples}`,
      `\\frac{${Number(gold) * 100 < 0 ? '-' : ''}${digits}${cents.slice(1).padEnd(2, '0')}}{100}`,
    ]
    const at = random(digits.length)
    const changed = digits.slice(0, at) + ((Number(digits[at]) + 1 + random(8)) % 10) + digits.slice(at + 1)
    for (const way of ways) {
      const text = WRAPS[random(WRAPS.length)]!(way)
      assert.equal(correct(text, gold), true, `${text} is ${gold}`)
      assert.equal(correct(text, sign + changed + cents), Number(changed) === whole, `${text} is not ${changed}`)
    }
  }
})

test('a polynomial stays itself when it is expanded, and no longer when a coefficient changes', () => {
  const random = randomOf(11)
  for (let i = 0; i < 200; i++) {
    const [a, b, c, d] = [1 + random(9), 1 + random(9), 1 + random(9), 1 + random(9)]
    const gold = `(${a}x+${b})(${c}x-${d})`
    const linear = b * c - a * d
    const expanded = (middle: number, last: number) =>
      `${a * c}x^2${middle < 0 ? '' : '+'}${middle}x${last < 0 ? '' : '+'}${last}`
    assert.equal(correct(WRAPS[i % 4]!(expanded(linear, -b * d)), gold), true, gold)
    assert.equal(correct(WRAPS[i % 4]!(expanded(linear + 1, -b * d)), gold), false, gold)
    assert.equal(correct(WRAPS[i % 4]!(expanded(linear, b * d)), gold), false, gold)
  }
})

test('tuples keep their order, sets do not', () => {
  const random = randomOf(13)
  for (let i = 0; i < 200; i++) {
    const items = Array.from({ length: 2 + random(3) }, (_, k) => String(10 * k + random(10) - 15))
    const turned = [...items.slice(1), items[0]]
    assert.equal(correct(WRAPS[i % 5]!(`(${items.join(', ')})`), `(${items.join(',')})`), true)
    assert.equal(correct(WRAPS[i % 5]!(`(${turned.join(', ')})`), `(${items.join(',')})`), false)
    assert.equal(correct(WRAPS[i % 5]!(`\\{${turned.join(', ')}\\}`), `\\{${items.join(',')}\\}`), true)
    assert.equal(correct(WRAPS[i % 5]!(`\\{${turned.slice(1).join(', ')}, 99\\}`), `\\{${items.join(',')}\\}`), false)
  }
})
