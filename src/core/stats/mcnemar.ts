import { Z95 } from './wilson-interval.ts'

/**
 * McNemar's test in its exact form, two-sided: the chance, were both equally good, of a split at least as uneven as this
 * one among the rows that only one of two got right. That is Binomial(onlyA + onlyB, ½), doubled and at most 1; rows
 * that both or neither got right say nothing. 1 where there are no others.
 *
 * @throws RangeError unless both are whole numbers ≥ 0
 */
export function mcnemar(onlyA: number, onlyB: number): number {
  if (![onlyA, onlyB].every((count) => Number.isInteger(count) && count >= 0))
    throw new RangeError(`${onlyA} and ${onlyB} are not counts of rows`)
  const n = onlyA + onlyB
  // ln of C(n, k)·2⁻ⁿ for k = 0, then each from the one before.
  let logTerm = -n * Math.LN2
  let tail = 0
  for (let k = 0; k <= Math.min(onlyA, onlyB); k++) {
    tail += Math.exp(logTerm)
    logTerm += Math.log((n - k) / (k + 1))
  }
  return Math.min(1, 2 * tail)
}

/**
 * The difference of two shares on the same n rows (A's minus B's) and its 95 % interval: Wald's after half a row is added
 * to each of the four cells (Agresti and Min 2005, Statistics in Medicine 24:729), cut to [−1, 1].
 *
 * @param n rows, ≥ 1
 */
export function pairedDifference(onlyA: number, onlyB: number, n: number) {
  const total = n + 2
  const centre = (onlyA - onlyB) / total
  const half = (Z95 / total) * Math.sqrt(onlyA + onlyB + 1 - (onlyA - onlyB) ** 2 / total)
  return { difference: (onlyA - onlyB) / n, low: Math.max(-1, centre - half), high: Math.min(1, centre + half) }
}
