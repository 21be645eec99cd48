import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseFormula } from '../../../src/core/graders/formula.ts'

const value = (text: string, values: Record<string, number> = {}) => parseFormula(text).evaluate(values)

describe('formula', () => {
  test('operators, functions and their precedence', () => {
    const cases: [string, number][] = [
      ['1 + 2 * 3', 7],
      ['(1 + 2) * 3', 9],
      ['8 - 3 - 2', 3],
      ['16 / 4 / 2', 2],
      ['2 ^ 3 ^ 2', 512],
      ['-2 ^ 2', -4],
      ['2 ^ -1', 0.5],
      ['2 * -3', -6],
      ['--2', 2],
      ['.5 + 1e-1', 0.6],
      ['min(3, 1, 2) + max(1, 2)', 3],
      ['abs(-2) + floor(1.9) + ceil(0.1)', 4],
      ['sqrt(9) + log(exp(2))', 5],
    ]
    for (const [text, expected] of cases) assert.ok(Math.abs(value(text) - expected) < 1e-12, text)
    assert.equal(value('0.25 * a + 0.75*b_2', { a: 1, b_2: 0.5 }), 0.625)
    assert.deepEqual([...parseFormula('a + max(b, a)').variables], ['a', 'b'])
    assert.equal(value('1 / 0'), Infinity)
  })

  test('what is no formula is refused where it stops making sense', () => {
    const broken = ['', '1 +', '1 2', '(1', '1)', 'a b', 'min()', 'min(1,)', 'eval(1)', 'abs(1, 2)', 'a.b', 'a; b', '1 ** 2', 'constructor(1)', '__proto__(1)', '√2', '('.repeat(5000), '-'.repeat(1900) + '1'] // prettier-ignore
    for (const text of broken) {
      assert.throws(() => parseFormula(text), { code: 'unprocessable', param: 'calculate_output' }, text.slice(0, 40))
    }
    assert.throws(() => parseFormula('a + $'), /at character 5 .* means nothing here/)
  })
})
