/** Calculations of one or two steps on the numbers of a question. */

/** Where an operand comes from: the n-th number of the question, or the result of the step before. */
type Operand = number | 'before'
export type Formula = { left: Operand; operator: Operator; right: Operand }[]
export type Operator = '+' | '-' | '*' | '/'

export const OPERATORS = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
} satisfies Record<Operator, (a: number, b: number) => number>
const COMMUTES = new Set<Operator>(['+', '*'])
const NUMBER = /\d+(?:\.\d+)?/g
/** No whole question has these numbers, so two formulas that agree on them agree always. */
const PROBES = [3.7, 11.3, 29.9, 53.1, 101.7, 197.3, 401.9, 797.1]

export const numbersOf = (question: string): number[] => (question.match(NUMBER) ?? []).map(Number)

/** The question with other numbers in the places of its own. */
export function withNumbers(question: string, numbers: readonly number[]): string {
  let place = 0
  return question.replace(NUMBER, () => `${numbers[place++]!}`)
}

/** The result of each step; NaN and ∞ where it has none. */
export function resultsOf(formula: Formula, numbers: readonly number[]): number[] {
  const results: number[] = []
  const valueOf = (operand: Operand) => (operand === 'before' ? results.at(-1)! : numbers[operand]!)
  for (const { left, operator, right } of formula)
    results.push(round(OPERATORS[operator](valueOf(left), valueOf(right))))
  return results
}

/** A chain such as `32 + 42 = 74`, `74 - 35 = 39`, `#### 39`, a line a step. */
export function written(formula: Formula, numbers: readonly number[], results = resultsOf(formula, numbers)): string {
  const lines = formula.map(({ left, operator, right }, step) => {
    const [a, b] = [left, right].map((operand) => (operand === 'before' ? results[step - 1]! : numbers[operand]!))
    return `${a} ${operator} ${b} = ${results[step]}`
  })
  return [...lines, `#### ${results.at(-1)}`].join('\n')
}

/**
 * The calculation behind an answer: one step on two numbers of the question, else two steps on three. Null where none
 * gives the answer, and where several do that would differ with other numbers (2 + 2 and 2 * 2).
 */
export function formulaOf(question: string, answer: string): Formula | null {
  const numbers = numbersOf(question)
  const groupsDigits = /\d,\d/.test(question) // 1,000 would be read as 1 and 000.
  if (groupsDigits || numbers.length > PROBES.length) return null
  const gives = (formula: Formula) => Math.abs(resultsOf(formula, numbers).at(-1)! - Number(answer)) < 1e-6
  const oneStep = steps(numbers.length).filter(gives)
  const found = oneStep.length > 0 ? oneStep : twoSteps(numbers).filter(gives)
  const values = found.map((formula) => resultsOf(formula, PROBES).at(-1)!)
  return values.every((value) => Math.abs(value - values[0]!) < 1e-6 * Math.abs(value)) ? (found[0] ?? null) : null
}

function steps(count: number): Formula[] {
  const places = [...Array(count).keys()]
  return places.flatMap((left) =>
    places.flatMap((right) =>
      (Object.keys(OPERATORS) as Operator[]).flatMap((operator): Formula[] =>
        left === right || (COMMUTES.has(operator) && left > right) ? [] : [[{ left, operator, right }]],
      ),
    ),
  )
}

function twoSteps(numbers: readonly number[]): Formula[] {
  return steps(numbers.length).flatMap(([first]) => {
    const [result] = resultsOf([first!], numbers)
    if (!(result! > 0)) return []
    const others = [...numbers.keys()].filter((place) => place !== first!.left && place !== first!.right)
    return others.flatMap((other) =>
      (Object.keys(OPERATORS) as Operator[]).flatMap((operator): Formula[] => [
        [first!, { left: 'before', operator, right: other }],
        ...(COMMUTES.has(operator) ? [] : [[first!, { left: other, operator, right: 'before' as const }]]),
      ]),
    )
  })
}

/** Sums of decimals without their last, binary digits. */
const round = (x: number) => Number(x.toPrecision(12))
