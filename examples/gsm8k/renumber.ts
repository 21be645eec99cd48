import type { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { numbersOf, resultsOf, withNumbers, type Formula } from './formulas.ts'

const TRIES = 500

/**
 * The same story with other numbers of like size, so that a model must calculate and cannot remember. Null where the
 * numbers are not whole, or none are found with which every step comes out whole and above 0.
 */
export function renumber(
  question: string,
  formula: Formula,
  rng: SeededRng,
): { question: string; numbers: number[] } | null {
  const numbers = numbersOf(question)
  if (!numbers.every(Number.isInteger)) return null
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const drawn = numbers.map((number) => draw(number, rng))
    const results = resultsOf(formula, drawn)
    const isNew = drawn.some((number, i) => number !== numbers[i])
    if (isNew && results.every((result) => Number.isInteger(result) && result > 0)) {
      return { question: withNumbers(question, drawn), numbers: drawn }
    }
  }
  return null
}

/** From half to twice the number; small ones from 2 to 9. 1 stays, since its noun is in the singular. */
function draw(number: number, rng: SeededRng): number {
  if (number <= 1) return number
  const [low, high] = number < 10 ? [2, 9] : [Math.ceil(number / 2), number * 2]
  return low + Math.floor(rng.uniform() * (high - low + 1))
}
