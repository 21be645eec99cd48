import { GavelError } from '../../errors.ts'
import type { Verifier } from '../verifier.ts'
import { extractAnswer } from './extract-answer.ts'
import { parseValue, type MathValue } from './parse-value.ts'
import { sameValue } from './same-value.ts'

/**
 * The last stated answer against gold, by value. Gold may be the answer alone or a whole worked solution that ends
 * with it (`… #### 72`, `… \boxed{72}`).
 */
export const math: Verifier = {
  extract(text) {
    const value = extractAnswer(text)
    return value && spell(value)
  },

  checkGold(gold) {
    readGold(gold)
  },

  verify({ text, gold }) {
    const expected = readGold(gold)
    const answer = extractAnswer(text)
    if (!answer) return { correct: false, extracted: null, reward: 0 }
    const correct = sameValue(answer, expected)
    return { correct, extracted: spell(answer), reward: correct ? 1 : answer.kind === 'number' ? 0.1 : 0 }
  },
}

function readGold(gold: string): MathValue {
  const worked = /####|\\boxed|answer/i.test(gold)
  const value = worked ? extractAnswer(gold) : parseValue(gold)
  if (value) return value
  throw new GavelError(
    'invalid_request',
    `The gold answer ${JSON.stringify(gold.slice(0, 80))} holds no answer that 'math' can compare. Give a number or ` +
      "a LaTeX value such as 72, 3/4 or \\frac{3}{4}, or a solution that ends with '#### 72' or \\boxed{72}.",
    { param: 'gold' },
  )
}

function spell(value: MathValue): string {
  if (value.kind === 'expression') return value.text
  if (value.kind === 'number') return (value.integer ?? String(value.value)) + (value.percent ? '%' : '')
  const [open = '', close = ''] = value.brackets
  return open + value.items.map(spell).join(', ') + close
}
