/** What is measured together. */
export interface BenchSuite {
  rows: readonly string[]
  /** Measures the rows named, one after the other: each side `rounds` times, of which the median counts. */
  measure: (rows: readonly string[], rounds: number) => AsyncIterable<BenchRow>
}

/** One comparison. */
export interface BenchRow {
  name: string
  ours: number
  peer: number
  unit: string
  /** Above 1 where we are better, whichever way the unit counts. */
  ratio: number
  peerName: string
  /** Every measurement, in order. */
  oursAll: number[]
  peerAll: number[]
  /** Peak resident memory in MB, median over processes; absent where it is what the row measures. */
  oursRss?: number
  peerRss?: number
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
