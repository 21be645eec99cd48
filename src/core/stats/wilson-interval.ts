/** The two-sided 95 % point of the standard normal distribution. */
export const Z95 = 1.959963984540054

/**
 * The 95 % Wilson score interval of a share (E. B. Wilson 1927), as fractions in [0, 1].
 *
 * @param correct successes, 0 … n; a fraction where a trial is itself a share (then the interval is wider than it need be)
 * @param n trials; with none, nothing is known and the interval is [0, 1]
 * @throws RangeError when the counts cannot be
 */
export function wilsonInterval(correct: number, n: number): { low: number; high: number } {
  if (!(Number.isInteger(n) && correct >= 0 && correct <= n)) {
    throw new RangeError(`${correct} of ${n} is not a share: 0 ≤ correct ≤ n, n a whole number`)
  }
  if (n === 0) return { low: 0, high: 1 }
  const share = correct / n
  const widened = 1 + Z95 ** 2 / n
  const centre = (share + Z95 ** 2 / (2 * n)) / widened
  const half = (Z95 / widened) * Math.sqrt((share * (1 - share)) / n + Z95 ** 2 / (4 * n ** 2))
  // At the ends the formula is exactly 0 or 1; keep rounding from stepping outside.
  return { low: correct === 0 ? 0 : Math.max(0, centre - half), high: correct === n ? 1 : Math.min(1, centre + half) }
}
