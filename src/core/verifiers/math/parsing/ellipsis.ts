import { evaluateExact } from '../arithmetic/evaluate.ts'
import type { MathValue } from '../values/math-value.ts'
import { divide, equal, multiply, add, subtract, type Rational } from '../arithmetic/rational.ts'

/** The most members that a list with dots is written out to. */
const MAX_MEMBERS = 100

/**
 * The members that `1, 2, …, 10` leaves out, written out: an arithmetic progression, or, of three terms or more that are
 * none, a geometric one. Null where the terms do not say which, where there is no last one, and beyond 100 members.
 */
export function writtenOut(items: readonly MathValue[]): MathValue[] | null {
  const at = items.findIndex(isDots)
  const [before, last] = [items.slice(0, at).map(numberOf), numberOf(items[at + 1])]
  if (at < 1 || items.length !== at + 2 || last === null || before.some((n) => n === null)) return null
  const terms = before as Rational[]
  const step = stepOf(terms)
  if (!step) return null
  for (let term = terms.at(-1)!; terms.length < MAX_MEMBERS;) {
    const next = step(term)
    if (!next || equal(next, term)) return null
    terms.push(next)
    if (equal(next, last)) return terms.map(asValue)
    term = next
  }
  return null
}

export const isDots = (value: MathValue | undefined): boolean => value?.kind === 'text' && value.text === '…'

function stepOf(terms: readonly Rational[]): ((term: Rational) => Rational | null) | null {
  const [first, second] = terms
  const one: Rational = { n: 1n, d: 1n }
  const difference = second ? subtract(second, first!) : one
  const isStep = (test: (a: Rational, b: Rational) => boolean) =>
    terms.slice(1).every((term, i) => test(terms[i]!, term))
  if (difference && isStep((a, b) => equal(add(a, difference)!, b))) return (term) => add(term, difference)
  const ratio = second && first!.n !== 0n ? divide(second, first!) : null
  if (terms.length > 2 && ratio && isStep((a, b) => equal(multiply(a, ratio)!, b)))
    return (term) => multiply(term, ratio)
  return null
}

function numberOf(value: MathValue | undefined): Rational | null {
  if (value?.kind !== 'expression' || value.percent || value.unit) return null
  return value.node.op === 'num' || value.node.op === 'neg' || value.node.op === 'div'
    ? evaluateExact(value.node, () => 0n)
    : null
}

function asValue(exact: Rational): MathValue {
  const text = exact.d === 1n ? String(exact.n) : `${exact.n}/${exact.d}`
  const node = { op: 'num', exact, approx: Number(exact.n) / Number(exact.d), decimals: 0 } as const
  return { kind: 'expression', node, text, percent: false, unit: null }
}
