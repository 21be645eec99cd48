import type { Rational } from './rational.ts'

/**
 * Real numbers with a bound of their error, as in midpoint-radius interval arithmetic (J. van der Hoeven, "Ball
 * arithmetic", 2009): what is not in a ball is not the number, for certain.
 */
export interface Ball {
  /** The number lies between (m − r) · 2^e and (m + r) · 2^e. */
  readonly m: bigint
  readonly r: bigint
  readonly e: number
}

const abs = (n: bigint) => (n < 0n ? -n : n)
export const bits = (n: bigint): number => (n === 0n ? 0 : abs(n).toString(16).length * 4)
const shift = (n: bigint, by: number): bigint => (by >= 0 ? n << BigInt(by) : n >> BigInt(-by))

/** With about so many bits, the error of leaving the rest off in the radius. */
function rounded(m: bigint, r: bigint, e: number, precision: number): Ball {
  const over = Math.max(bits(m), bits(r)) - precision
  if (over <= 0) return { m, r, e }
  const lost = (m >> BigInt(over)) << BigInt(over) === m ? 0n : 1n
  return { m: m >> BigInt(over), r: r === 0n ? lost : (r >> BigInt(over)) + 1n + lost, e: e + over }
}

export const whole = (n: bigint | number): Ball => ({ m: BigInt(n), r: 0n, e: 0 })

export function fromRational({ n, d }: Rational, precision: number): Ball {
  if (d === 1n) return { m: n, r: 0n, e: 0 }
  const by = precision + bits(d) - bits(n)
  const top = shift(n, Math.max(0, by))
  const m = top / d
  return { m, r: m * d === top ? 0n : 1n, e: -Math.max(0, by) }
}

export const negative = ({ m, r, e }: Ball): Ball => ({ m: -m, r, e })
export const containsZero = ({ m, r }: Ball): boolean => abs(m) <= r
export const isZero = ({ m, r }: Ball): boolean => m === 0n && r === 0n
export const signOf = (a: Ball): -1 | 0 | 1 | null => (isZero(a) ? 0 : containsZero(a) ? null : a.m < 0n ? -1 : 1)
/** Binary logarithm of the size, within a few; null for what may be 0. */
export const sizeOf = (a: Ball): number | null => (containsZero(a) ? null : bits(a.m) + a.e)

export function add(a: Ball, b: Ball, precision: number): Ball {
  if (isZero(a)) return b
  if (isZero(b)) return a
  const [high, low] = a.e >= b.e ? [a, b] : [b, a]
  const by = high.e - low.e
  if (by <= 4 * precision + 256) {
    const m = shift(high.m, by) + low.m
    return rounded(m, shift(high.r, by) + low.r, low.e, precision)
  }
  // The low one ends far below the last bit of the high one, or reaches up into it.
  const down = by - 2 * precision
  const m = shift(low.m, -down)
  return add(high, { m, r: shift(low.r, -down) + 1n, e: low.e + down }, precision)
}

export const subtract = (a: Ball, b: Ball, precision: number): Ball => add(a, negative(b), precision)

export function multiply(a: Ball, b: Ball, precision: number): Ball {
  const r = abs(a.m) * b.r + abs(b.m) * a.r + a.r * b.r
  return rounded(a.m * b.m, r, a.e + b.e, precision)
}

/** Null where the divisor may be 0. */
export function divide(a: Ball, b: Ball, precision: number): Ball | null {
  if (containsZero(b)) return null
  const by = Math.max(0, precision + bits(b.m) - bits(a.m) + 2)
  const top = a.m << BigInt(by)
  const m = top / b.m
  const size = abs(b.m)
  const least = size - b.r
  const r = ((a.r << BigInt(by)) * size + abs(top) * b.r) / (size * least)
  const isExact = a.r === 0n && b.r === 0n && m * b.m === top
  return rounded(m, isExact ? 0n : r + 2n, a.e - b.e - by, precision)
}

/** Raised to a whole power, by squares; null for 0 to a negative one. */
export function power(a: Ball, exponent: bigint, precision: number): Ball | null {
  let [result, square] = [whole(1), a]
  for (let left = abs(exponent); left > 0n; left >>= 1n) {
    if (left & 1n) result = multiply(result, square, precision)
    if (left > 1n) square = multiply(square, square, precision)
  }
  return exponent < 0n ? divide(whole(1), result, precision) : result
}

/** The n-th root of a number that is not negative, n from 2 to 64; null for others, and for what may be negative. */
export function root(a: Ball, n: number, precision: number): Ball | null {
  if (isZero(a)) return a
  const [low, high] = [a.m - a.r, a.m + a.r]
  if (low < 0n || n < 2 || n > 64) return null
  let by = Math.max(0, n * precision - bits(a.m))
  by += (((a.e - by) % n) + n) % n
  const [from, to] = [wholeRoot(low << BigInt(by), n), wholeRoot(high << BigInt(by), n)]
  const isExact = a.r === 0n && from ** BigInt(n) === low << BigInt(by)
  const e = (a.e - by) / n
  return isExact ? { m: from, r: 0n, e } : rounded((from + to) / 2n, (to - from) / 2n + 2n, e, precision)
}

/** The greatest whole number whose n-th power is no greater (Newton's method). */
function wholeRoot(a: bigint, n: number): bigint {
  if (a < 2n) return a
  const [power, less] = [BigInt(n), BigInt(n - 1)]
  let x = 1n << BigInt(Math.ceil(a.toString(2).length / n))
  for (;;) {
    const next = (less * x + a / x ** less) / power
    if (next >= x) return x
    x = next
  }
}

/** Fixed point with so many bits behind the point, and the radius in its last place. */
function fixed(a: Ball, places: number): { m: bigint; r: bigint } {
  return { m: shift(a.m, a.e + places), r: shift(a.r, a.e + places) + 1n }
}

const constants = new Map<string, bigint>()
function constant(name: string, places: number, compute: (places: number) => bigint): bigint {
  const step = Math.ceil(places / 512) * 512
  const key = `${name}${step}`
  const known = constants.get(key) ?? compute(step + 64) >> 64n
  constants.set(key, known)
  return known >> BigInt(step - places)
}

/** atan(1/n), or atanh(1/n) where the terms all have one sign, in fixed point. */
function arcOfInverse(n: bigint, places: number, sign: 1n | -1n): bigint {
  let term = (1n << BigInt(places)) / n
  let sum = term
  for (let k = 3n; term !== 0n; k += 2n) {
    term = (sign * term) / (n * n)
    sum += term / k
  }
  return sum
}

const piAt = (places: number): bigint =>
  constant('pi', places, (p) => 16n * arcOfInverse(5n, p, -1n) - 4n * arcOfInverse(239n, p, -1n))
const ln2At = (places: number): bigint =>
  constant(
    'ln2',
    places,
    (p) => 18n * arcOfInverse(26n, p, 1n) - 2n * arcOfInverse(4801n, p, 1n) + 8n * arcOfInverse(8749n, p, 1n),
  )

export const pi = (precision: number): Ball => ({ m: piAt(precision + 16), r: 4n, e: -precision - 16 })

/** The largest argument, as a binary logarithm, of exp, sin and cos. */
const MAX_ARGUMENT = 20
const GUARD = 48

export function exp(a: Ball, precision: number): Ball | null {
  if (isZero(a)) return whole(1)
  if (bits(a.m) + a.e > MAX_ARGUMENT || (a.r !== 0n && bits(a.r) + a.e > -2)) return null
  const halvings = Math.ceil(Math.sqrt(precision) / 2)
  const places = precision + GUARD + 2 * halvings + MAX_ARGUMENT
  const { m, r } = fixed(a, places)
  const ln2 = ln2At(places)
  const k = m / ln2
  const one = 1n << BigInt(places)
  const t = (m - k * ln2) >> BigInt(halvings)
  let [term, sum] = [one, one]
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = (term * t) / (n << BigInt(places))
    sum += term
  }
  for (let i = 0; i < halvings; i++) sum = (sum * sum) >> BigInt(places)
  // exp(r) − 1 < 2r for r < 1.
  const error = ((sum * 2n * r) >> BigInt(places)) + (one >> BigInt(precision + GUARD / 2))
  return rounded(sum, error + 1n, Number(k) - places, precision)
}

/** The natural logarithm of a number above 0; null for others. */
export function ln(a: Ball, precision: number): Ball | null {
  if (signOf(a) !== 1) return null
  const exponent = bits(a.m) + a.e
  const places = precision + GUARD + 16
  const one = 1n << BigInt(places)
  // The mantissa between 1/16 and 1, brought near 1 by square roots.
  const { m, r } = fixed({ m: a.m, r: a.r, e: a.e - exponent }, places)
  const roots = 10
  let z = m
  for (let i = 0; i < roots; i++) z = wholeRoot(z << BigInt(places), 2)
  const t = ((z - one) << BigInt(places)) / (z + one)
  const square = (t * t) >> BigInt(places)
  let [term, sum] = [t, 0n]
  for (let k = 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term / k
    term = (term * square) >> BigInt(places)
  }
  const value = (sum << BigInt(roots + 1)) + BigInt(exponent) * ln2At(places)
  const error = (r << BigInt(places)) / (m - r) + (one >> BigInt(precision + GUARD / 2 - 8))
  return rounded(value, error + 2n + BigInt(Math.abs(exponent)), -places, precision)
}

export function sineAndCosine(a: Ball, precision: number): [sine: Ball, cosine: Ball] | null {
  if (isZero(a)) return [whole(0), whole(1)]
  if (bits(a.m) + a.e > MAX_ARGUMENT || (a.r !== 0n && bits(a.r) + a.e > -2)) return null
  const places = precision + GUARD + MAX_ARGUMENT
  const { m, r } = fixed(a, places)
  const quarter = piAt(places) / 2n
  const k = (2n * m + (m < 0n ? -quarter : quarter)) / (2n * quarter)
  const t = m - k * quarter
  const square = (t * t) >> BigInt(places)
  let [sine, cosine, term] = [0n, 0n, 1n << BigInt(places)]
  for (let n = 1n; term !== 0n && term !== -1n; n += 2n) {
    cosine += term
    const odd = (term * t) / (n << BigInt(places))
    sine += odd
    term = -((term * square) / ((n * (n + 1n)) << BigInt(places)))
  }
  const error = r + (1n << BigInt(places - precision - GUARD / 2))
  const ball = (value: bigint) => rounded(value, error, -places, precision)
  const turns = ((k % 4n) + 4n) % 4n
  const [s, c] = [ball(sine), ball(cosine)]
  return turns === 0n
    ? [s, c]
    : turns === 1n
      ? [c, negative(s)]
      : turns === 2n
        ? [negative(s), negative(c)]
        : [negative(c), s]
}

export function arctan(a: Ball, precision: number): Ball | null {
  if (isZero(a)) return a
  const inner = precision + GUARD
  let x: Ball | null = a
  const halvings = 8
  for (let i = 0; i < halvings && x; i++) {
    const below: Ball | null = root(add(whole(1), multiply(x, x, inner), inner), 2, inner)
    x = below && divide(x, add(whole(1), below, inner), inner)
  }
  if (!x) return null
  const places = inner
  const { m, r } = fixed(x, places)
  const square = (m * m) >> BigInt(places)
  let [term, sum] = [m, 0n]
  for (let k = 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term / k
    term = -((term * square) >> BigInt(places))
  }
  return rounded(sum << BigInt(halvings), (r + BigInt(places)) << BigInt(halvings + 1), -places, precision)
}

/** The whole number at or below; null where the ball holds numbers of two such. */
export function floor(a: Ball): Ball | null {
  if (a.e >= 0 && a.r === 0n) return a
  const down = (n: bigint) => shift(n, a.e)
  const [low, high] = [down(a.m - a.r), down(a.m + a.r)]
  return low === high ? whole(low) : null
}
