/**
 * Solutions to the demo's problems, as text: right ones for the teacher, careless ones for the student to be spoiled
 * by, mutated ones for the judge to see through, and bare arithmetic.
 */
import { crc32 } from 'node:zlib'
import type { Rng } from '../src/core/ports.ts'
import { between, chance, pick } from './draw.ts'
import { calculate, MAX_VALUE, mostlySmall } from './problems.ts'
import type { Equation, Operand, Problem, Step } from './problems.ts'
import type { Operator } from './problem-fragments.ts'

/** An answer as a model would write it. */
export interface Solution {
  text: string
  correct: boolean
}

/** `First 6*5=30. Then 51-30=21.\n#### 21` */
export function solutionText(equations: readonly Equation[], answer: number): string {
  const sentences = equations.map(
    ({ left, op, right, value }, i) => `${i === 0 ? 'First' : 'Then'} ${left}${op}${right}=${value}.`,
  )
  return `${sentences.join(' ')}\n#### ${answer}`
}

/** The right solution. */
export function goldText(problem: Problem): string {
  return solutionText(problem.equations, problem.answer)
}

/** How often a careless solver goes wrong, as probabilities. */
export interface Carelessness {
  /** A wrong operation, for the fragment that is read best … */
  low: number
  /** … and for the one that is read worst. Each fragment has a fixed place between the two. */
  high: number
  /** Being off by one or ten in an equation. */
  slip: number
}

/** Larger numbers than these a careless solver does not write: they subtract instead. */
const MAX_CARELESS_VALUE = 400

/**
 * A solution by somebody who mixes up operations, adds the number that does not matter, and slips. It can still end
 * in the right number, and `correct` says whether it does.
 */
export function carelessSolution(problem: Problem, rng: Rng, carelessness: Carelessness): Solution {
  const { low, high, slip } = carelessness
  const equations: Equation[] = []
  const value = (operand: Operand) => (typeof operand === 'number' ? operand : equations[operand.step]!.value)

  for (const step of problem.steps) {
    const op = chance(rng, misreading(step, low, high)) ? CONFUSED_WITH[step.op] : step.op
    const equation = carelessEquation(value(step.left), op, value(step.right))
    if (chance(rng, slip)) equation.value = Math.max(0, equation.value + pick(rng, [-10, -1, 1, 10]))
    equations.push(equation)
  }
  if (problem.distractor !== null && chance(rng, (low + high) / 2)) {
    equations.push(carelessEquation(equations.at(-1)!.value, '+', problem.distractor))
  }
  const answer = equations.at(-1)!.value
  return { text: solutionText(equations, answer), correct: answer === problem.answer }
}

const CONFUSED_WITH = { '+': '-', '-': '+', '*': '+', '/': '-' } satisfies Record<Operator, Operator>

/** The rate at which a fragment is misread: fixed by its id, spread evenly between the two bounds. */
function misreading(step: Step, low: number, high: number): number {
  return low + ((high - low) * (crc32(`careless ${step.fragment}`) % 1000)) / 1000
}

/** `left op right`, or, where that is no usable number, the smaller taken from the larger. */
function carelessEquation(left: number, op: Operator, right: number): Equation {
  const value = calculate(op, left, right)
  if (value !== null && value <= MAX_CARELESS_VALUE) return { left, op, right, value }
  const [larger, smaller] = left >= right ? [left, right] : [right, left]
  return { left: larger, op: '-', right: smaller, value: larger - smaller }
}

/**
 * The gold text with one flaw, or unchanged in about a third of the draws. `correct` means unchanged: a chain whose
 * middle is wrong counts as wrong even where its last number is right, so that a judge learns to read the steps.
 */
export function mutatedSolution(problem: Problem, rng: Rng): Solution {
  const gold = goldText(problem)
  const text = pick(rng, MUTATION_DRAWS)(problem, rng)
  return { text, correct: text === gold }
}

/** Each way to spoil a gold text. One that does not apply (nothing to cut, no step to leave out) changes nothing. */
export const MUTATIONS = {
  /** A number loses its last digit. */
  cut: (problem, rng) => replaceNumber(goldText(problem), rng, /\d{2,}/g, (number) => number.slice(0, -1)),
  /** A number is off by 1, 2 or 10. */
  shift: (problem, rng) =>
    replaceNumber(goldText(problem), rng, /\d+/g, (number) =>
      String(Math.max(0, Number(number) + pick(rng, [-10, -2, -1, 1, 2, 10]))),
    ),
  /** A number makes room for any other. */
  replace: (problem, rng) => replaceNumber(goldText(problem), rng, /\d+/g, () => String(between(rng, 1, MAX_VALUE))),
  /** The chain ends too early, and what it has by then is given as the answer. */
  leaveOut: ({ equations, answer }, rng) => {
    if (equations.length < 2) return solutionText(equations, answer)
    const kept = equations.slice(0, between(rng, 1, equations.length - 1))
    return solutionText(kept, kept.at(-1)!.value)
  },
} satisfies Record<string, (problem: Problem, rng: Rng) => string>

/** Weights by repetition: 7 of 20 unchanged, 3 cut, 4 shifted, 3 replaced, 3 with steps left out. */
const { cut, shift, replace, leaveOut } = MUTATIONS
const MUTATION_DRAWS: readonly ((problem: Problem, rng: Rng) => string)[] = [
  ...repeat(7, goldText),
  ...repeat(3, cut),
  ...repeat(4, shift),
  ...repeat(3, replace),
  ...repeat(3, leaveOut),
]

function repeat<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item)
}

/** Changes one number of the text, drawn evenly from those that match. */
function replaceNumber(text: string, rng: Rng, numbers: RegExp, change: (number: string) => string): string {
  const matches = [...text.matchAll(numbers)]
  if (matches.length === 0) return text
  const { 0: number, index } = pick(rng, matches)
  return text.slice(0, index) + change(number) + text.slice(index + number.length)
}

/** Three equations without a question, each going on from the last where it can: number facts at little cost. */
export function drill(rng: Rng): string {
  const equations: Equation[] = []
  let left = mostlySmall(rng, 90)
  while (equations.length < 3) {
    const op = pick(rng, ['+', '+', '-', '-', '*', '/'] as const)
    const right = op === '+' || op === '-' ? mostlySmall(rng, 70) : between(rng, 2, 9)
    if (op === '*' && chance(rng, 0.7)) left = between(rng, 2, 12)
    if (op === '/' && chance(rng, 0.7)) left = right * between(rng, 2, 12)
    const value = calculate(op, left, right)
    if (value === null || value > MAX_VALUE) {
      left = mostlySmall(rng, 90)
      continue
    }
    equations.push({ left, op, right, value })
    left = value
  }
  return solutionText(equations, left)
}
