import { mean, squaredDeviations } from '../moments.ts'

/** Keeps the division sound where all numbers are nearly equal. */
const EPSILON = 1e-8

/**
 * The numbers with the mean over all of them taken off and divided by their standard deviation (with n − 1); of
 * equal ones, and of a single one, zeros.
 */
export function whitened(rows: readonly ArrayLike<number>[]): Float64Array[] {
  const all = rows.flatMap((row) => Array.from(row))
  const centre = mean(all) ?? 0
  const scale = 1 / Math.sqrt(squaredDeviations(all) / Math.max(1, all.length - 1) + EPSILON)
  return rows.map((row) => Float64Array.from(row, (x) => (x - centre) * scale))
}
