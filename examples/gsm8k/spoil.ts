import type { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { OPERATORS, resultsOf, written, type Formula, type Operator } from './formulas.ts'

type Spoiler = (formula: Formula, numbers: readonly number[], rng: SeededRng) => string | null

/** One thing wrong in an otherwise right solution: the errors that students of word problems make. */
const SPOILERS: Spoiler[] = [
  function otherOperator(formula, numbers, rng) {
    const at = pick([...formula.keys()], rng)
    const operator = pick(
      (Object.keys(OPERATORS) as Operator[]).filter((one) => one !== formula[at]!.operator),
      rng,
    )
    return written(
      formula.map((step, i) => (i === at ? { ...step, operator } : step)),
      numbers,
    )
  },
  function swappedOperands(formula, numbers, rng) {
    const at = pick([...formula.keys()], rng)
    const swap = ({ left, operator, right }: Formula[number]) => ({ left: right, operator, right: left })
    return written(
      formula.map((step, i) => (i === at ? swap(step) : step)),
      numbers,
    )
  },
  function otherNumber(formula, numbers, rng) {
    const at = pick([...formula.keys()], rng)
    const side = pick(['left', 'right'] as const, rng)
    const place = pick([...numbers.keys()], rng)
    return written(
      formula.map((step, i) => (i === at ? { ...step, [side]: place } : step)),
      numbers,
    )
  },
  /** A slip in a sum, carried on to the end. */
  function slip(formula, numbers, rng) {
    const results = resultsOf(formula, numbers)
    const by = pick(
      [1, 2, 10, 20, 100].filter((size) => size === 1 || size < results.at(-1)!),
      rng,
    )
    results[results.length - 1]! += rng.uniform() < 0.5 ? by : -by
    return written(formula, numbers, results)
  },
  function stepLeftOut(formula, numbers) {
    return formula.length > 1 ? written(formula.slice(0, -1), numbers) : null
  },
  function stepTooMany(formula, numbers, rng) {
    const extra = {
      left: 'before',
      operator: pick(['+', '-', '*'] as const, rng),
      right: pick([...numbers.keys()], rng),
    }
    return written([...formula, extra as Formula[number]], numbers)
  },
  /** Calculated rightly, and then another number stated. */
  function otherStatement(formula, numbers, rng) {
    return written(formula, numbers).replace(/#### .*/, `#### ${pick(numbers, rng)}`)
  },
]

/** A wrong solution, from a right one; its last line states something other than the answer. */
export function spoil(formula: Formula, numbers: readonly number[], rng: SeededRng): string {
  const stated = (text: string) => Number(/#### (.*)$/.exec(text)?.[1])
  const answer = resultsOf(formula, numbers).at(-1)!
  for (;;) {
    const text = pick(SPOILERS, rng)(formula, numbers, rng)
    if (text !== null && Number.isFinite(stated(text)) && Math.abs(stated(text) - answer) > 1e-3) return text
  }
}

function pick<T>(from: readonly T[], rng: SeededRng): T {
  return from[Math.floor(rng.uniform() * from.length)]!
}
