import { evaluate, evaluateExact, realValue, type Evaluation } from './evaluate.ts'
import { some, variables, type Node } from './expression.ts'
import { exactDouble, samePrecisely } from './precise.ts'
import * as Q from './rational.ts'

/** How many points two expressions must agree at, and how many are tried to find so many where both have a value. */
const POINTS = 3
const TRIED = 12

/** Each variable's value at a point: fixed, and different for each name. */
export type Point = (name: string) => number

/** Points over the reals: of both signs, and of sizes at which roots, logarithms and arcs of either kind are real. */
const RANGES: (readonly [low: number, high: number])[] = [
  [1.2, 2.9], [-2.8, -1.1], [0.15, 0.85], [-0.8, -0.2], [4, 19], [0.9, 1.6], [2.1, 3.4], [30, 90], [-17, -5],
  [0.02, 0.2], [1.01, 1.3], [3.2, 8.1],
] // prettier-ignore

export function realPoint(index: number): Point {
  const [low, high] = RANGES[index % RANGES.length]!
  return (name) => low + (high - low) * fraction(name, index)
}

/** Whole numbers from 11 to 1,000, so that polynomials and rational functions are compared without any rounding. */
function wholePoint(index: number): (name: string) => bigint {
  return (name) => BigInt(11 + Math.floor(990 * fraction(name, index + 100))) * (index % 3 === 2 ? -1n : 1n)
}

/** A fixed number in [0, 1) for each name and index (FNV-1a). */
function fraction(name: string, index: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(index + 1, 0x9e3779b1)
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash ^= hash >>> 13
  return (hash >>> 0) / 2 ** 32
}

/**
 * Whether two expressions are equal wherever both are defined: without rounding at whole points where both are rational
 * functions (Schwartz–Zippel); constants to certainty (see `samePrecisely`); else in double precision at real points where
 * both stay real, confirmed precisely, or, where there are none such, at complex values.
 */
export function sameExpression(a: Node, b: Node): boolean {
  if (a.op === 'matrix' || b.op === 'matrix') return sameMatrix(a, b)
  const constant = variables(a).length === 0 && variables(b).length === 0
  return exactly(a, b, constant) ?? (constant ? sameConstant(a, b) : approximately(a, b))
}

function sameMatrix(a: Node, b: Node): boolean {
  if (a.op !== 'matrix' || b.op !== 'matrix' || a.rows.length !== b.rows.length) return false
  return a.rows.every((row, i) => {
    const other = b.rows[i]!
    return row.length === other.length && row.every((entry, j) => sameExpression(entry, other[j]!))
  })
}

/** The verdict at whole points; null where one of the two is not a rational function, or has too few values. */
function exactly(a: Node, b: Node, constant: boolean): boolean | null {
  let agreed = 0
  for (let i = 0; i < 2 * POINTS; i++) {
    const left = evaluateExact(a, wholePoint(i))
    const right = left && evaluateExact(b, wholePoint(i))
    if (!right) {
      if (i === 0 && constant) return null
      continue
    }
    if (!Q.equal(left, right)) return false
    if (constant || ++agreed === POINTS) return true
  }
  return null
}

/** Constants to as many digits as their parts ask for; in double precision where one is not real. */
function sameConstant(a: Node, b: Node): boolean {
  const [left, right] = [evaluate(a, () => NaN), evaluate(b, () => NaN)]
  if (isValue(left) && isValue(right) && areFarApart(left, right)) return false
  const precisely = samePrecisely(a, b, () => null)
  if (precisely !== null) return precisely === true
  return isValue(left) && isValue(right) ? near(left, right) : sameInfinity(left, right, a, b)
}

function approximately(a: Node, b: Node): boolean {
  const complex: [Evaluation, Evaluation][] = []
  let agreed = 0
  for (let i = 0; i < TRIED && agreed < POINTS; i++) {
    const left = evaluate(a, realPoint(i))
    const right = evaluate(b, realPoint(i))
    if (!isValue(left) || !isValue(right)) continue
    if (left.leftReals || right.leftReals) complex.push([left, right])
    else if (near(left, right)) agreed++
    else return false
  }
  if (agreed > 0) return agreed >= Math.min(POINTS, 2) && !differsPrecisely(a, b)
  return complex.length >= POINTS && complex.every(([left, right]) => near(left, right))
}

/** Whether two expressions that a double cannot tell apart are different numbers at a point. */
function differsPrecisely(a: Node, b: Node): boolean {
  return [0, 2].some((i) => samePrecisely(a, b, (name) => exactDouble(realPoint(i)(name))) === false)
}

const isValue = ({ value: [re, im] }: Evaluation) => Number.isFinite(re) && Number.isFinite(im)

/** Further apart than any rounding leads. */
function areFarApart(left: Evaluation, right: Evaluation): boolean {
  const size = Math.max(Math.hypot(...left.value), Math.hypot(...right.value), left.scale, right.scale)
  return Math.hypot(left.value[0] - right.value[0], left.value[1] - right.value[1]) > 1e-3 * size
}

/** Equal but for errors of rounding. */
function near(left: Evaluation, right: Evaluation): boolean {
  const [a, b] = [left.value, right.value]
  const size = Math.max(Math.hypot(...a), Math.hypot(...b))
  return Math.hypot(a[0] - b[0], a[1] - b[1]) <= 1e-9 * size + 1e-13 * Math.max(left.scale, right.scale)
}

/** ∞ as written equals itself; a number too large for a double equals nothing. */
function sameInfinity(left: Evaluation, right: Evaluation, a: Node, b: Node): boolean {
  const written = [a, b].every((node) => some(node, (part) => part.op === 'const' && part.name === 'inf'))
  return written && Math.abs(left.value[0]) === Infinity && left.value[0] === right.value[0]
}

/**
 * Whether two numbers are equal as they are written: exact ones exactly (a double's last digits aside); a decimal also
 * where it is the other to the digits it shows, if these are at least two behind the point and, against an exact
 * number, four significant ones.
 */
export function sameNumber(a: Node, b: Node): boolean {
  if (sameExpression(a, b)) return true
  const [x, y] = [realValue(a), realValue(b)]
  if (!Number.isFinite(x) || !Number.isFinite(y) || Math.sign(x) !== Math.sign(y)) return false
  const [digitsA, digitsB] = [decimals(a), decimals(b)]
  if (digitsA === 0 && digitsB === 0) return false
  const difference = Math.abs(x - y)
  const floatNoise = Math.max(digitsA, digitsB) >= 6 && difference <= 1e-6 * Math.max(Math.abs(x), Math.abs(y))
  if (floatNoise) return true
  if (isWhole(a) || isWhole(b)) return false
  const written = digitsA > 0 && digitsB > 0
  const digits = written ? Math.min(digitsA, digitsB) : Math.max(digitsA, digitsB)
  const [rounded, exact] = digitsA === digits ? [x, y] : [y, x]
  const unit = 10 ** -digits
  if (written) return digits >= 2 && difference <= 0.5001 * unit && difference <= 0.005 * Math.abs(y)
  const significant = Math.abs(rounded) >= 1000 * unit
  const truncated = Math.abs(rounded) <= Math.abs(exact) && difference < unit
  return significant && digits >= 2 && (truncated || difference <= 0.5001 * unit)
}

/** The digits behind the point of a number that is written as one; 0 of any other expression. */
function decimals(node: Node): number {
  return node.op === 'num' ? node.decimals : node.op === 'neg' ? decimals(node.a) : 0
}

function isWhole(node: Node): boolean {
  return node.op === 'num' ? node.exact?.d === 1n : node.op === 'neg' && isWhole(node.a)
}

/**
 * The factor c of a = c · b, as a number that is the same everywhere; null where there is none.
 */
export function proportion(a: Node, b: Node): number | null {
  let factor: number | null = null
  let agreed = 0
  for (let i = 0; i < TRIED && agreed < 4; i++) {
    const [left, right] = [evaluate(a, realPoint(i)), evaluate(b, realPoint(i))]
    if (!isValue(left) || !isValue(right) || left.leftReals || right.leftReals) continue
    const [x, y] = [left.value[0], right.value[0]]
    const tiny = (value: number, { scale }: Evaluation) => Math.abs(value) <= 1e-12 * scale
    if (tiny(x, left) && tiny(y, right)) continue
    if (tiny(x, left) || tiny(y, right)) return null
    if (factor !== null && Math.abs(x / y - factor) > 1e-8 * Math.abs(factor)) return null
    factor ??= x / y
    agreed++
  }
  return agreed >= 3 && factor !== null && isProportional(a, b) !== false ? factor : null
}

/** Whether a(p) · b(q) = a(q) · b(p) at whole points, exactly; null where they are no rational functions. */
function isProportional(a: Node, b: Node): boolean | null {
  const values = [0, 1, 2].map((i) => [evaluateExact(a, wholePoint(i)), evaluateExact(b, wholePoint(i))] as const)
  const [first, ...others] = values
  if (!first?.[0] || !first[1]) return null
  const [x, y] = first as [Q.Rational, Q.Rational]
  for (const [u, v] of others) {
    const [left, right] = [v && Q.multiply(x, v), u && Q.multiply(u, y)]
    if (!left || !right) return null
    if (!Q.equal(left, right)) return false
  }
  return true
}
