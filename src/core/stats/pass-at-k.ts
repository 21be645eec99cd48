/**
 * The chance that at least one of k answers is right, from n drawn answers of which c are: the unbiased estimator
 * 1 − C(n−c, k) / C(n, k) of Chen et al. (arXiv 2107.03374, eq. 1), as a product so that nothing overflows.
 *
 * @throws RangeError unless 1 ≤ k ≤ n and 0 ≤ c ≤ n, whole numbers
 */
export function passAtK(n: number, c: number, k: number): number {
  if (![n, c, k].every(Number.isInteger) || !(k >= 1 && k <= n && c >= 0 && c <= n))
    throw new RangeError(`pass@${k} of ${c} right among ${n}: whole numbers with 1 ≤ k ≤ n and 0 ≤ c ≤ n`)
  if (n - c < k) return 1
  let allWrong = 1
  for (let i = n - c + 1; i <= n; i++) allWrong *= 1 - k / i
  return 1 - allWrong
}
