import { GavelError } from '../../errors.ts'
import type { Verdict } from '../../schemas/verify.ts'
import type { PureVerifier } from '../verifier.ts'
import { plainText } from './reading/plain-text.ts'
import { extractAnswer } from './reading/extract-answer.ts'
import { isNumber, type MathValue } from './values/math-value.ts'
import { readings } from './parsing/parse-value.ts'
import { withinLimits } from './arithmetic/precise.ts'
import { sameValue } from './values/same-value.ts'
import { spellValue } from './values/spell-value.ts'

/**
 * The last stated answer against gold, by value. Gold may be the answer alone or a whole worked solution that ends
 * with it (`… #### 72`, `… \boxed{72}`).
 */
export const math: PureVerifier = {
  read(text) {
    const values = extractAnswer(text)
    const [likeliest] = values
    return likeliest ? { answer: spellValue(likeliest), value: values } : null
  },

  same(a, b) {
    const [values, others] = [a.value as MathValue[], b.value as MathValue[]]
    return withinLimits(() => values.some((value) => others.some((other) => sameValue(value, other))))
  },

  checkGold(gold) {
    readGold(gold)
  },

  verify({ text, gold }) {
    return compareAnswers(extractAnswer(text), readGold(gold), sameValue)
  },
}

/** The verdict on an answer, given every way to read it, the likeliest first. */
export function compareAnswers(
  answers: readonly MathValue[],
  golds: readonly MathValue[],
  same: (answer: MathValue, gold: MathValue) => boolean,
): Verdict {
  const [likeliest] = answers
  if (!likeliest) return { correct: false, extracted: null, reward: 0 }
  const correct = withinLimits(() => answers.some((answer) => golds.some((gold) => same(answer, gold))))
  return { correct, extracted: spellValue(likeliest), reward: correct ? 1 : isNumber(likeliest) ? 0.1 : 0 }
}

/**
 * Every way to read a gold answer.
 * @throws GavelError unprocessable (param `gold`) when there is none
 */
export function readGold(gold: string): MathValue[] {
  const worked = /####|\\boxed|answer/i.test(gold)
  const values = worked ? extractAnswer(gold) : readings(plainText(gold))
  if (values.length > 0) return values
  throw new GavelError(
    'unprocessable',
    `The gold answer ${JSON.stringify(gold.slice(0, 80))} holds no answer that 'math' can compare. Give a number or ` +
      "a LaTeX value such as 72, 3/4 or \\frac{3}{4}, or a solution that ends with '#### 72' or \\boxed{72}.",
    { param: 'gold' },
  )
}
