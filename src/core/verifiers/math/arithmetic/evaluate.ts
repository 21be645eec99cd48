import type { FunctionName, Node } from './expression.ts'
import * as Q from './rational.ts'
import type { Rational } from './rational.ts'

const EXACT = { add: Q.add, sub: Q.subtract, mul: Q.multiply, div: Q.divide, pow: Q.power }

/** Largest number whose factorial is worked out: what is beyond has more than 1,024 bits. */
const MAX_FACTORIAL = 170n
const FACTORIALS = [1n]

function exactFactorial(n: bigint): bigint | null {
  if (n < 0n || n > MAX_FACTORIAL) return null
  for (let k = FACTORIALS.length; k <= Number(n); k++) FACTORIALS.push(FACTORIALS[k - 1]! * BigInt(k))
  return FACTORIALS[Number(n)]!
}

function exactBinomial(n: bigint, k: bigint): bigint | null {
  if (n < 0n || n > MAX_FACTORIAL) return null
  if (k < 0n || k > n) return 0n
  const factorial = (part: bigint) => exactFactorial(part)!
  return factorial(n) / (factorial(k) * factorial(n - k))
}

/** Functions of whole numbers that give whole numbers; null where they give none, or too large a one. */
const WHOLE_FUNCTIONS: Partial<Record<FunctionName, (...args: bigint[]) => bigint | null>> = {
  factorial: exactFactorial,
  binom: exactBinomial,
  mod: (a, m) => (m > 0n ? Q.remainder(a, m) : null),
  gcd: (...args) => args.map(Q.magnitude).reduce(Q.gcd),
  lcm: (...args) => args.map(Q.magnitude).reduce((a, b) => (a === 0n || b === 0n ? 0n : (a * b) / Q.gcd(a, b))),
}

/** The exact value where the variables have these whole values; null where it is not rational or too large. */
export function evaluateExact(node: Node, at: (name: string) => bigint): Rational | null {
  switch (node.op) {
    case 'num':
      return node.exact
    case 'sym':
      return { n: at(node.name), d: 1n }
    case 'neg': {
      const a = evaluateExact(node.a, at)
      return a && { n: -a.n, d: a.d }
    }
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'pow': {
      const a = evaluateExact(node.a, at)
      const b = a && evaluateExact(node.b, at)
      return b && EXACT[node.op](a, b)
    }
    case 'call': {
      const apply = WHOLE_FUNCTIONS[node.fn]
      const args = apply ? node.args.map((arg) => evaluateExact(arg, at)) : []
      if (!apply || args.some((arg) => arg?.d !== 1n)) return null
      const value = apply(...args.map((arg) => arg!.n))
      return value === null ? null : Q.rational(value)
    }
    case 'const':
    case 'deg':
    case 'matrix':
    case 'pm':
      return null
  }
}

export type Complex = readonly [re: number, im: number]

export interface Evaluation {
  value: Complex
  /** The largest term that was added up: what an error of rounding is measured by. */
  scale: number
  /** Whether a root, a logarithm or a power left the real numbers on the way. */
  leftReals: boolean
}

/** The value in double precision, over the complex numbers; NaN where there is none. */
export function evaluate(node: Node, at: (name: string) => number): Evaluation {
  const run = { at, scale: 0, leftReals: false }
  const value = visit(node, run)
  return { value, scale: run.scale, leftReals: run.leftReals }
}

/** The real value of an expression without variables; NaN where it has none. */
export function realValue(node: Node, at: (name: string) => number = () => NaN): number {
  const { value, scale } = evaluate(node, at)
  return Math.abs(value[1]) <= 1e-10 * Math.max(Math.abs(value[0]), scale) ? value[0] : NaN
}

interface Run {
  at: (name: string) => number
  scale: number
  leftReals: boolean
}

const CONSTANTS = { pi: [Math.PI, 0], e: [Math.E, 0], i: [0, 1], inf: [Infinity, 0] } satisfies Record<string, Complex>

function visit(node: Node, run: Run): Complex {
  switch (node.op) {
    case 'num':
      return node.exact?.n === 0n ? [0, 0] : unlessLost([node.approx, 0])
    case 'sym':
      return [run.at(node.name), 0]
    case 'const':
      return CONSTANTS[node.name]
    case 'neg':
      return negate(visit(node.a, run))
    case 'pm':
      return visit(node.a, run)
    case 'deg':
      return times(visit(node.a, run), [Math.PI / 180, 0])
    case 'add':
    case 'sub': {
      const a = visit(node.a, run)
      const b = visit(node.b, run)
      run.scale = Math.max(run.scale, size(a), size(b))
      return node.op === 'add' ? [a[0] + b[0], a[1] + b[1]] : [a[0] - b[0], a[1] - b[1]]
    }
    case 'mul':
      return times(visit(node.a, run), visit(node.b, run))
    case 'div':
      return over(visit(node.a, run), visit(node.b, run))
    case 'pow':
      return raise(visit(node.a, run), visit(node.b, run), run)
    case 'call': {
      const [a = NONE, b = NONE] = node.args.map((arg) => visit(arg, run))
      return FUNCTIONS[node.fn](a, b, run)
    }
    case 'matrix':
      return NONE
  }
}

const NONE: Complex = [NaN, NaN]
const isZero = ([re, im]: Complex) => re === 0 && im === 0
const isPlain = (a: Complex) => !isZero(a) && a.every(Number.isFinite)
/** What is too small or too large for a double is neither 0 nor ∞: it is no number that could be compared. */
const unlessLost = (value: Complex, ...operands: Complex[]): Complex =>
  operands.every(isPlain) && !isPlain(value) ? NONE : value
const size = ([re, im]: Complex) => Math.hypot(re, im)
const negate = ([re, im]: Complex): Complex => [-re, im === 0 ? 0 : -im]
const onlyReal =
  (f: (x: number) => number) =>
  ([re, im]: Complex): Complex =>
    im === 0 ? [f(re), 0] : NONE

function times(a: Complex, b: Complex): Complex {
  if (a[1] === 0 && b[1] === 0) return unlessLost([a[0] * b[0], 0], a, b)
  return [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

function over(a: Complex, b: Complex): Complex {
  if (isZero(b)) return NONE
  if (a[1] === 0 && b[1] === 0) return unlessLost([a[0] / b[0], 0], a, b)
  const norm = b[0] * b[0] + b[1] * b[1]
  return [(a[0] * b[0] + a[1] * b[1]) / norm, (a[1] * b[0] - a[0] * b[1]) / norm]
}

function exp([re, im]: Complex): Complex {
  const radius = Math.exp(re)
  if (im === 0) return unlessLost([radius, 0], [re, 0])
  return [radius * Math.cos(im), radius * Math.sin(im)]
}

function log(a: Complex, run: Run): Complex {
  if (isZero(a)) return NONE
  if (a[1] === 0 && a[0] > 0) return [Math.log(a[0]), 0]
  if (a[1] === 0) run.leftReals = true
  return [Math.log(size(a)), Math.atan2(a[1], a[0])]
}

function raise(a: Complex, b: Complex, run: Run): Complex {
  if (a[1] === 0 && b[1] === 0 && (a[0] >= 0 || Number.isInteger(b[0]))) {
    if (a[0] === 0 && b[0] <= 0) return NONE
    return unlessLost([a[0] ** b[0], 0], a, b)
  }
  if (b[1] === 0 && Number.isInteger(b[0]) && Math.abs(b[0]) <= 64) {
    let product: Complex = [1, 0]
    for (let i = 0; i < Math.abs(b[0]); i++) product = times(product, a)
    return b[0] < 0 ? over([1, 0], product) : product
  }
  if (isZero(a)) return NONE
  return exp(times(b, log(a, run)))
}

/** The n-th root: of a negative number the real one where n is odd, as in school. */
function root(a: Complex, n: Complex, run: Run): Complex {
  const odd = n[1] === 0 && Number.isInteger(n[0]) && n[0] % 2 !== 0
  if (odd && a[1] === 0 && a[0] < 0) return [-((-a[0]) ** (1 / n[0])), 0]
  if (a[1] === 0 && a[0] >= 0 && n[0] === 2) return [Math.sqrt(a[0]), 0]
  if (isZero(a)) return [0, 0]
  return raise(a, over([1, 0], n), run)
}

const sine = ([re, im]: Complex): Complex =>
  im === 0 ? [Math.sin(re), 0] : [Math.sin(re) * Math.cosh(im), Math.cos(re) * Math.sinh(im)]
const cosine = ([re, im]: Complex): Complex =>
  im === 0 ? [Math.cos(re), 0] : [Math.cos(re) * Math.cosh(im), -Math.sin(re) * Math.sinh(im)]

function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) return NaN
  let product = 1
  for (let i = 2; i <= n; i++) product *= i
  return product
}

function binomial(n: number, k: number): number {
  if (!Number.isInteger(n) || !Number.isInteger(k) || n < 0 || n > 1000) return NaN
  if (k < 0 || k > n) return 0
  let product = 1
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i
  return Math.round(product)
}

/** Of one argument or two; the second is NONE where there is but one. */
const FUNCTIONS = {
  sin: sine,
  cos: cosine,
  tan: (a) => over(sine(a), cosine(a)),
  cot: (a) => over(cosine(a), sine(a)),
  sec: (a) => over([1, 0], cosine(a)),
  csc: (a) => over([1, 0], sine(a)),
  arcsin: onlyReal(Math.asin),
  arccos: onlyReal(Math.acos),
  arctan: onlyReal(Math.atan),
  sinh: onlyReal(Math.sinh),
  cosh: onlyReal(Math.cosh),
  tanh: onlyReal(Math.tanh),
  ln: (a, _, run) => log(a, run),
  log: (a, _, run) => over(log(a, run), [Math.LN10, 0]),
  logb: (a, base, run) => over(log(a, run), log(base, run)),
  exp,
  sqrt: (a, _, run) => root(a, [2, 0], run),
  root,
  abs: (a) => [size(a), 0],
  floor: onlyReal(Math.floor),
  ceil: onlyReal(Math.ceil),
  factorial: onlyReal(factorial),
  // These are exact or nothing: digits that a double has lost would decide them.
  mod: () => NONE,
  gcd: () => NONE,
  lcm: () => NONE,
  binom: (n, k) => (n[1] === 0 && k[1] === 0 ? [binomial(n[0], k[0]), 0] : NONE),
} satisfies Record<FunctionName, (a: Complex, b: Complex, run: Run) => Complex>
