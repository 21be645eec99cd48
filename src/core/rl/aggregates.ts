/**
 * How the token losses of a batch become one number: given the count of trained tokens in each row, the weight
 * of each of that row's tokens. A loss is always `sum(weight · tokenLoss)`, so gradient accumulation over
 * micro-batches needs no further division: the weights are those of the whole batch. Rows without tokens weigh 0
 * and do not count.
 *
 * @param maxTokens the most tokens that a row may have
 */
export type Aggregate = (tokenCounts: readonly number[], maxTokens: number) => number[]
export type AggregateName = 'token_mean' | 'sequence_mean' | 'sequence_sum' | 'constant'

export const AGGREGATES: Record<AggregateName, Aggregate> = {
  /** Every token of the batch weighs the same, 1 / (all trained tokens): DAPO (arXiv 2503.14476). */
  token_mean: (counts) => weigh(counts, () => counts.reduce((sum, count) => sum + count, 0)),

  /** The mean over rows of each row's mean: GRPO as published. A token of a short answer weighs more. */
  sequence_mean: (counts) => weigh(counts, (count, rows) => rows * count),

  /** The mean over rows of each row's sum: REINFORCE on whole answers, as RLOO has it. */
  sequence_sum: (counts) => weigh(counts, (_, rows) => rows),

  /** The mean over rows of each row's sum / maxTokens: Dr. GRPO's constant, without a bias for any length. */
  constant: (counts, maxTokens) => weigh(counts, (_, rows) => rows * maxTokens),
}

function weigh(counts: readonly number[], divisor: (count: number, rows: number) => number): number[] {
  const rows = counts.filter((count) => count > 0).length
  return counts.map((count) => (count === 0 ? 0 : 1 / divisor(count, rows)))
}
