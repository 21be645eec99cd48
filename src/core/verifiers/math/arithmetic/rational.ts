/** An exact fraction in lowest terms; `d` > 0. */
export interface Rational {
  readonly n: bigint
  readonly d: bigint
}

/** Whole numbers may have this size, and both halves of a fraction that; beyond, the exact way is given up. */
const WHOLE_LIMIT = 1n << 8192n
const PART_LIMIT = 1n << 1024n

/** n/d in lowest terms; null where d is 0 or the numbers are too large to be worth it. */
export function rational(n: bigint, d = 1n): Rational | null {
  if (d === 0n) return null
  if (d === 1n) return magnitude(n) < WHOLE_LIMIT ? { n, d } : null
  if (magnitude(n) >= PART_LIMIT || magnitude(d) >= PART_LIMIT) return null
  const divisor = gcd(magnitude(n), magnitude(d)) * (d < 0n ? -1n : 1n)
  return { n: n / divisor, d: d / divisor }
}

export const add = (a: Rational, b: Rational) => rational(a.n * b.d + b.n * a.d, a.d * b.d)
export const subtract = (a: Rational, b: Rational) => rational(a.n * b.d - b.n * a.d, a.d * b.d)
export const multiply = (a: Rational, b: Rational) => rational(a.n * b.n, a.d * b.d)
export const divide = (a: Rational, b: Rational) => rational(a.n * b.d, a.d * b.n)

/** a to a whole power; null for another power, for 0 to a negative one, and where the result would be too large. */
export function power(a: Rational, exponent: Rational): Rational | null {
  if (exponent.d !== 1n || magnitude(exponent.n) > 8192n) return null
  const bits = Math.max(bitLength(a.n), bitLength(a.d)) * Number(magnitude(exponent.n))
  if (bits > 8192) return null
  const times = magnitude(exponent.n)
  return exponent.n < 0n ? rational(a.d ** times, a.n ** times) : rational(a.n ** times, a.d ** times)
}

export const equal = (a: Rational, b: Rational) => a.n === b.n && a.d === b.d

/** The nearest double; infinite beyond its range. */
export function toNumber(a: Rational): number {
  if (a.d === 1n) return Number(a.n)
  const value = Number(a.n) / Number(a.d)
  return Number.isNaN(value) ? 0 : value
}

export function magnitude(n: bigint): bigint {
  return n < 0n ? -n : n
}

function bitLength(n: bigint): number {
  return magnitude(n) < 2n ? 1 : magnitude(n).toString(16).length * 4
}

/** Of numbers that are not negative. */
export function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b]
  return a
}

/** The remainder that is not negative; `m` > 0. */
export const remainder = (a: bigint, m: bigint): bigint => ((a % m) + m) % m
