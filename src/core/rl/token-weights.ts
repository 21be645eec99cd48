/**
 * How the token losses of a batch become one number: given the count of trained tokens in each row, the weight
 * of each of that row's tokens. A loss is always `sum(weight · tokenLoss)`, so gradient accumulation over
 * micro-batches needs no further division: the weights are those of the whole batch.
 */
export type Aggregate = (tokenCounts: readonly number[]) => number[]

export const AGGREGATES = {
  /** Every token of the batch weighs the same, 1 / (all trained tokens). Rows without tokens weigh 0. */
  token_mean: (tokenCounts) => {
    const total = tokenCounts.reduce((sum, count) => sum + count, 0)
    return tokenCounts.map((count) => (count === 0 ? 0 : 1 / total))
  },
} satisfies Record<string, Aggregate>

export type AggregateName = keyof typeof AGGREGATES
