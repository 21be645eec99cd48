import { some, type Node } from '../arithmetic/expression.ts'
import type { MathExpression } from './math-value.ts'
import { add, multiply, rational, toNumber, type Rational } from '../arithmetic/rational.ts'
import { sameNumber } from '../arithmetic/same-expression.ts'
import { conversion, isSameThing, type KnownUnit, type Unit } from '../units/units.ts'

/**
 * Whether two numbers or expressions are the same. Where both name a unit, of the same amount: a unit of another
 * dimension, or a name that is in no table and not the other's, is another thing. Where one names none, by number alone.
 * `35%` is both 35 and 0.35.
 */
export function sameQuantity(answer: MathExpression, gold: MathExpression): boolean {
  if (answer.text === gold.text && answer.percent === gold.percent) return true
  const { unit: ours } = answer
  const { unit: theirs } = gold
  if (ours && theirs) return sameAmount(answer, ours, gold, theirs)
  // `5 K` and `5 M` may be thousands and millions.
  if ([answer, gold].some(({ unit, text }) => unit && /\d[KMBT]$/.test(text))) return false
  // A share of something is no amount of anything.
  if ((answer.percent && theirs) || (gold.percent && ours)) return false
  const [a, g] = [answer.node, gold.node]
  if (sameNumber(a, g)) return true
  if (isAngle(answer) && inRadians(gold)) return sameNumber(times(a, DEGREE, 1), g)
  if (isAngle(gold) && inRadians(answer)) return sameNumber(a, times(g, DEGREE, 1))
  if (answer.percent === gold.percent) return false
  return answer.percent ? sameNumber(hundredth(a), g) : sameNumber(a, hundredth(g))
}

function sameAmount(answer: MathExpression, ours: Unit, gold: MathExpression, theirs: Unit): boolean {
  return ours.some((from) =>
    theirs.some((to) => {
      if (!from.known || !to.known)
        return !from.known && !to.known && isSameThing(from, to) && sameNumber(answer.node, gold.node)
      const [kelvin, other] = [kelvins(answer.node, from), kelvins(gold.node, to)]
      if (kelvin && other && from.dimension !== to.dimension) return sameNumber(kelvin, other)
      const change = conversion(from, to)
      if (change) return sameNumber(times(answer.node, change.factor, change.pi), gold.node)
      return isDegreeOfHeat(from, to) && sameNumber(answer.node, gold.node)
    }),
  )
}

const DEGREE = rational(1n, 180n)!

const isAngle = ({ unit }: MathExpression) =>
  unit?.some((one) => one.known && one.dimension === 'angle' && one.pi === 0) ?? false
/** A multiple of π, or an arc, without a unit. */
const inRadians = ({ unit, node }: MathExpression) =>
  unit === null &&
  some(
    node,
    (part) =>
      (part.op === 'const' && part.name === 'pi') ||
      (part.op === 'call' && /^arc(?:sin|cos|tan)$/.test(part.fn) && part === node),
  )
/** `20°` may be 20 °C. */
const isDegreeOfHeat = (a: KnownUnit, b: KnownUnit) =>
  [a, b].some(({ dimension, factor }) => dimension === 'angle' && factor.n === factor.d) &&
  [a, b].some(({ dimension }) => /^(?:celsius|fahrenheit)$/.test(dimension))

/** A temperature in kelvins; null for what is none. */
function kelvins(node: Node, { dimension, factor }: KnownUnit): Node | null {
  if (node.op !== 'num' && node.op !== 'neg') return null
  if (dimension === 'temperature') return times(node, factor)
  if (dimension === 'celsius') return plus(node, rational(27315n, 100n)!)
  return dimension === 'fahrenheit' ? times(plus(node, rational(45967n, 100n)!), rational(5n, 9n)!) : null
}

function plus(node: Node, addend: Rational): Node {
  const exact = exactOf(node)
  const sum = exact && add(exact, addend)
  return sum ? numberOf(sum) : { op: 'add', a: node, b: numberOf(addend) }
}

/** A node times a fraction and a power of π. */
export function times(node: Node, factor: Rational, pi = 0): Node {
  if (factor.n === factor.d && pi === 0) return node
  const exact = exactOf(node)
  const product = exact && multiply(exact, factor)
  const scaled: Node = product ? numberOf(product) : { op: 'mul', a: node, b: numberOf(factor) }
  if (pi === 0) return scaled
  const power: Node = { op: 'pow', a: { op: 'const', name: 'pi' }, b: numberOf({ n: BigInt(pi), d: 1n }) }
  return { op: 'mul', a: scaled, b: power }
}

const exactOf = (node: Node): Rational | null => (node.op === 'num' ? node.exact : null)
const numberOf = (exact: Rational): Node => ({ op: 'num', exact, approx: toNumber(exact), decimals: 0 })

function hundredth(node: Node): Node {
  if (node.op === 'num' && node.exact)
    return {
      ...node,
      exact: rational(node.exact.n, node.exact.d * 100n),
      approx: node.approx / 100,
      decimals: node.decimals && node.decimals + 2,
    }
  return { op: 'div', a: node, b: { op: 'num', exact: { n: 100n, d: 1n }, approx: 100, decimals: 0 } }
}
