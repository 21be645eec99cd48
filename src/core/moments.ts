/** The arithmetic mean; null of nothing, which has none. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The sum of squared distances from the mean; 0 of nothing. */
export function squaredDeviations(values: readonly number[]): number {
  const centre = mean(values)
  return centre === null ? 0 : values.reduce((sum, value) => sum + (value - centre) ** 2, 0)
}

/** The sample standard deviation (n − 1); null of fewer than two values. */
export function standardDeviation(values: readonly number[]): number | null {
  return values.length < 2 ? null : Math.sqrt(squaredDeviations(values) / (values.length - 1))
}
