import { evaluateExact } from '../arithmetic/evaluate.ts'
import { some, substitute, type Node } from '../arithmetic/expression.ts'
import { divide, magnitude, subtract, toNumber, type Rational } from '../arithmetic/rational.ts'

/**
 * The sum of a term over k = first, first + 1, … without end, where the term is geometric in k by its form (products,
 * quotients and powers of what has no k, with exponents linear in k) and its ratio lies between −1 and 1; null for others.
 */
export function geometricSum(term: Node, name: string, first: number): Node | null {
  if (!isGeometric(term, name)) return null
  const at = (k: number): Rational | null => {
    const value = substitute(term, name, number({ n: BigInt(k), d: 1n }))
    return some(value, ({ op }) => op === 'sym' || op === 'const') ? null : evaluateExact(value, () => 0n)
  }
  const [start, next] = [at(first), at(first + 1)]
  if (!start || !next || start.n === 0n) return null
  const ratio = divide(next, start)
  if (!ratio || magnitude(ratio.n) >= ratio.d) return null
  const rest = subtract({ n: 1n, d: 1n }, ratio)
  const sum = rest && divide(start, rest)
  return sum && number(sum)
}

const has = (node: Node, name: string) =>
  some(node, (part) => (part.op === 'sym' || part.op === 'const') && part.name === name)

function isGeometric(node: Node, name: string): boolean {
  if (!has(node, name)) return true
  if (node.op === 'neg') return isGeometric(node.a, name)
  if (node.op === 'mul' || node.op === 'div') return isGeometric(node.a, name) && isGeometric(node.b, name)
  if (node.op !== 'pow') return false
  return has(node.a, name) ? isGeometric(node.a, name) && !has(node.b, name) : isLinear(node.b, name)
}

function isLinear(node: Node, name: string): boolean {
  if (!has(node, name)) return true
  if (node.op === 'sym' || node.op === 'const') return true
  if (node.op === 'neg') return isLinear(node.a, name)
  if (node.op === 'add' || node.op === 'sub') return isLinear(node.a, name) && isLinear(node.b, name)
  if (node.op === 'mul')
    return [node.a, node.b].every((part) => isLinear(part, name)) && !(has(node.a, name) && has(node.b, name))
  return node.op === 'div' && isLinear(node.a, name) && !has(node.b, name)
}

const number = (exact: Rational): Node => ({ op: 'num', exact, approx: toNumber(exact), decimals: 0 })
