import { GavelError } from '../errors.ts'
import type { ProgramRunner } from '../ports.ts'
import type { Verdict } from '../schemas/verify.ts'
import { findProgram } from './find-program.ts'
import { evaluateExact, realValue } from './math/arithmetic/evaluate.ts'
import { extractAnswer } from './math/reading/extract-answer.ts'
import { compareAnswers, math, readGold } from './math/index.ts'
import { isNumber, type MathValue } from './math/values/math-value.ts'
import { subtract, toNumber, type Rational } from './math/arithmetic/rational.ts'
import { sameValue } from './math/values/same-value.ts'
import type { Verifier } from './verifier.ts'

const UNAVAILABLE =
  'The verifier program runs Python, which needs a sandbox, and this server has none: it runs on Node only. Verify ' +
  'there, or in a job, whose worker has one.'

/** What doubles may be off where numbers differ by exactly the tolerance. */
const ROUNDING = 1e-9

/**
 * Runs the function `solution()` of the Python program in the text, and compares what it returns with gold as
 * mathematics; numbers may be `tolerance` apart.
 */
export function program(tolerance: number, programs: ProgramRunner | null): Verifier {
  return {
    read(text) {
      const source = findProgram(text)
      return source === null ? null : { answer: source }
    },
    same: (a, b) => a.answer === b.answer,
    checkGold: (gold) => math.checkGold(gold),
    async verify({ text, gold }): Promise<Verdict> {
      const expected = readGold(gold)
      if (!programs) throw new GavelError('unavailable_here', UNAVAILABLE, { param: 'verifier' })
      const source = findProgram(text)
      if (source === null) return refused('There is no Python function solution() in the text.')
      const result = await programs.call({ source, entry: 'solution', args: [] })
      if (result.outcome !== 'returned') return refused(`The program ${told(result)}.`)
      if (result.text === null) return refused('The program returned nothing that is an answer.')
      // By its text alone: a program could give another number beside it, and so guess twice.
      const near = (answer: MathValue, gold: MathValue) => areNear(numberOf(answer), numberOf(gold), tolerance)
      return compareAnswers(
        extractAnswer(result.text),
        expected,
        (answer, gold) => sameValue(answer, gold) || near(answer, gold),
      )
    },
  }
}

/** The number that a value is, exactly where it can be; null where it is none. */
function numberOf(value: MathValue): Rational | number | null {
  if (value.kind === 'named') return numberOf(value.value)
  if (value.kind !== 'expression' || !isNumber(value)) return null
  return evaluateExact(value.node, () => 0n) ?? realValue(value.node)
}

/** Whether two numbers are no further apart than that: exactly where both are, so that no digit of a great one is lost. */
function areNear(a: Rational | number | null, b: Rational | number | null, tolerance: number): boolean {
  if (a === null || b === null) return false
  if (typeof a === 'object' && typeof b === 'object') {
    const difference = subtract(a, b)
    return difference !== null && Math.abs(toNumber(difference)) <= tolerance + ROUNDING
  }
  const [x, y] = [a, b].map((n) => (typeof n === 'number' ? n : toNumber(n))) as [number, number]
  return Math.abs(x) <= Number.MAX_SAFE_INTEGER && Math.abs(x - y) <= tolerance + ROUNDING
}

const refused = (reason: string): Verdict => ({ correct: false, extracted: null, reward: 0, reason })

function told({ outcome, error }: { outcome: 'raised' | 'stopped'; error: string }): string {
  return outcome === 'raised' ? `raised ${error}` : error
}
