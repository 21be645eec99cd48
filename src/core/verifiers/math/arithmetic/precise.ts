import * as B from './ball.ts'
import type { Ball } from './ball.ts'
import { evaluateExact } from './evaluate.ts'
import type { FunctionName, Node } from './expression.ts'
import { rational, type Rational } from './rational.ts'

/** Bits that a first look takes; a second takes as many more as the sizes that meet in the expressions ask for. */
const FIRST = 192
const MARGIN = 224
const MAX_PRECISION = 6000
/** What the work of comparing two answers may come to, with all their parts: a function counts as the square of its bits over 512. */
const MAX_WORK = 120

/**
 * Whether two expressions are the same number where the variables have these values; null where one is no real number
 * that is understood, `costly` where it would take too long. Different is certain; the same means that they agree to at least 224
 * binary digits more than lie between the largest and the smallest part of either, so that no small term is overlooked.
 */
export function samePrecisely(a: Node, b: Node, at: (name: string) => Rational | null): boolean | 'costly' | null {
  const work = shared ?? { left: MAX_WORK }
  for (let precision = FIRST; ;) {
    const run: Run = { at, precision, widest: 0, work }
    const [left, right] = [visit(a, run), visit(b, run)]
    if (!left || !right) return work.left < 0 ? 'costly' : null
    const difference = B.subtract(left, right, precision)
    if (!B.containsZero(difference)) return false
    const needed = MARGIN + 2 * run.widest
    if (precision >= needed) return true
    if (needed > MAX_PRECISION) return 'costly'
    precision = needed
  }
}

let shared: { left: number } | null = null

/** Compares with one limit of work for all that is compared within, so that long lists of costly numbers end soon too. */
export function withinLimits<T>(compare: () => T): T {
  const outer = shared
  shared = outer ?? { left: MAX_WORK }
  try {
    return compare()
  } finally {
    shared = outer
  }
}

interface Run {
  at: (name: string) => Rational | null
  precision: number
  /** The largest size, or smallness, of any part, as a binary logarithm. */
  widest: number
  work: { left: number }
}

function visit(node: Node, run: Run): Ball | null {
  if ((run.work.left -= run.precision / 1e5) < 0) return null
  const value = valueOf(node, run)
  const size = value && B.sizeOf(value)
  if (value && Math.abs(value.e) > 1e6) return null
  if (size !== null) run.widest = Math.max(run.widest, Math.abs(size))
  return value
}

function valueOf(node: Node, run: Run): Ball | null {
  const { precision } = run
  switch (node.op) {
    case 'num':
      return node.exact && B.fromRational(node.exact, precision)
    case 'sym': {
      const value = run.at(node.name)
      return value && B.fromRational(value, precision)
    }
    case 'const':
      return node.name === 'pi'
        ? B.pi(precision)
        : node.name === 'e'
          ? transcendental(run, () => B.exp(B.whole(1), precision))
          : null
    case 'neg': {
      const a = visit(node.a, run)
      return a && B.negative(a)
    }
    case 'deg': {
      const a = visit(node.a, run)
      return a && B.divide(B.multiply(a, B.pi(precision), precision), B.whole(180), precision)
    }
    case 'add':
    case 'sub':
    case 'mul':
    case 'div': {
      const a = visit(node.a, run)
      const b = a && visit(node.b, run)
      return b && JOIN[node.op](a, b, precision)
    }
    case 'pow':
      return raise(node.a, node.b, run)
    case 'call':
      return call(node, run)
    case 'pm':
    case 'matrix':
      return null
  }
}

const JOIN = { add: B.add, sub: B.subtract, mul: B.multiply, div: B.divide }

function transcendental(run: Run, compute: () => Ball | null): Ball | null {
  run.work.left -= (run.precision / 512) ** 2
  return run.work.left < 0 ? null : compute()
}

/** The largest whole exponent: what is beyond has no size that could be worked with. */
const MAX_EXPONENT = 100_000n

function raise(base: Node, exponent: Node, run: Run): Ball | null {
  const { precision } = run
  const a = visit(base, run)
  if (!a) return null
  const power = evaluateExact(exponent, () => 0n)
  const isPlain = power !== null && !hasVariable(exponent)
  if (isPlain && power.d === 1n)
    return B.isZero(a) && power.n <= 0n ? null : size(power.n) > MAX_EXPONENT ? null : B.power(a, power.n, precision)
  if (isPlain && power.d <= 64n && size(power.n) <= MAX_EXPONENT) {
    const root = oddRoot(a, Number(power.d), precision)
    return root && !(B.isZero(root) && power.n <= 0n) ? B.power(root, power.n, precision) : null
  }
  const b = visit(exponent, run)
  if (!b || B.signOf(a) !== 1) return null
  return transcendental(run, () => {
    const log = B.ln(a, precision + 32)
    return log && B.exp(B.multiply(b, log, precision + 32), precision)
  })
}

const size = (n: bigint) => (n < 0n ? -n : n)
const hasVariable = (node: Node): boolean =>
  node.op === 'sym' ||
  ('b' in node && hasVariable(node.b)) ||
  ('a' in node && hasVariable(node.a)) ||
  (node.op === 'call' && node.args.some(hasVariable))

/** As in school, an odd root of a negative number is negative. */
function oddRoot(a: Ball, n: number, precision: number): Ball | null {
  const sign = B.signOf(a)
  if (sign === -1 && n % 2 === 1) {
    const root = B.root(B.negative(a), n, precision)
    return root && B.negative(root)
  }
  return B.root(a, n, precision)
}

function call({ fn, args }: Extract<Node, { op: 'call' }>, run: Run): Ball | null {
  if (EXACT.has(fn)) {
    const exact = args.some(hasVariable) ? null : evaluateExact({ op: 'call', fn, args }, () => 0n)
    return exact && B.fromRational(exact, run.precision)
  }
  const values = args.map((arg) => visit(arg, run))
  const [a, b] = values
  if (!a || values.includes(null)) return null
  return transcendental(run, () => FUNCTIONS[fn]?.(a, run.precision, b ?? null) ?? null)
}

const EXACT = new Set<FunctionName>(['factorial', 'binom', 'mod', 'gcd', 'lcm'])

type Apply = (a: Ball, precision: number, b: Ball | null) => Ball | null
const sineOver =
  (top: 0 | 1 | null, bottom: 0 | 1 | null): Apply =>
  (a, p) => {
    const both = B.sineAndCosine(a, p + 32)
    if (!both) return null
    const of = (which: 0 | 1 | null) => (which === null ? B.whole(1) : both[which])
    return B.divide(of(top), of(bottom), p)
  }
const quotient = (a: Ball | null, b: Ball | null, p: number) => a && b && B.divide(a, b, p)
const halfPi = (p: number) => B.divide(B.pi(p), B.whole(2), p)!

const arcsin: Apply = (a, p) => {
  const one = B.subtract(B.whole(1), B.multiply(a, a, p + 32), p + 32)
  if (B.isZero(one)) return a.m < 0n ? B.negative(halfPi(p)) : halfPi(p)
  const slope = quotient(a, B.root(one, 2, p + 32), p + 32)
  return slope && B.arctan(slope, p)
}
const hyperbolic =
  (sign: 1 | -1): Apply =>
  (a, p) => {
    const [up, down] = [B.exp(a, p + 32), B.exp(B.negative(a), p + 32)]
    return up && down && B.divide(sign === 1 ? B.add(up, down, p + 32) : B.subtract(up, down, p + 32), B.whole(2), p)
  }

const FUNCTIONS: Partial<Record<FunctionName, Apply>> = {
  sin: sineOver(0, null),
  cos: sineOver(1, null),
  tan: sineOver(0, 1),
  cot: sineOver(1, 0),
  sec: sineOver(null, 1),
  csc: sineOver(null, 0),
  arcsin,
  arccos: (a, p) => {
    const sine = arcsin(a, p + 16, null)
    return sine && B.subtract(halfPi(p + 16), sine, p)
  },
  arctan: (a, p) => B.arctan(a, p),
  sinh: hyperbolic(-1),
  cosh: hyperbolic(1),
  tanh: (a, p) => quotient(hyperbolic(-1)(a, p + 32, null), hyperbolic(1)(a, p + 32, null), p),
  ln: (a, p) => B.ln(a, p),
  log: (a, p) => quotient(B.ln(a, p + 32), B.ln(B.whole(10), p + 32), p),
  logb: (a, p, base) => base && quotient(B.ln(a, p + 32), B.ln(base, p + 32), p),
  exp: (a, p) => B.exp(a, p),
  sqrt: (a, p) => B.root(a, 2, p),
  root: (a, p, n) => (n && n.r === 0n && n.e === 0 && n.m <= 64n ? oddRoot(a, Number(n.m), p) : null),
  abs: (a) => ({ ...a, m: size(a.m) }),
  floor: B.floor,
  ceil: (a) => {
    const below = B.floor(B.negative(a))
    return below && B.negative(below)
  },
}

/** A double as the fraction that it is. */
export function exactDouble(x: number): Rational | null {
  const scaled = x * 2 ** 40
  return Number.isFinite(scaled) ? rational(BigInt(Math.round(scaled)), 1n << 40n) : null
}
