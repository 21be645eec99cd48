import { SeededRng } from './seeded-rng.ts'
import { shuffledIndices } from './shuffled-indices.ts'

/** An order of `count` rows; another for each step and epoch. */
export type RowOrder = (count: number, of: { seed: number; step: number; epoch: number }) => ArrayLike<number>

export const seededOrder: RowOrder = (count, { seed, step, epoch }) =>
  shuffledIndices(count, new SeededRng(seed, 'minibatch', step, epoch))

/**
 * A batch cut into parts of equal size (or one row more or less), as many as there are rows at the most. The weights
 * are those of the whole batch, so a part is weighed up to stand for all of it.
 * @param order which rows go together; not asked where the batch stays whole
 */
export function minibatchesOf<Row extends { weight: number }>(
  rows: readonly Row[],
  parts: number,
  order: (count: number) => ArrayLike<number>,
): Row[][] {
  if (rows.length === 0) return []
  if (parts === 1) return [[...rows]]
  const count = Math.min(parts, rows.length)
  const shuffled = Array.from(order(rows.length), (i) => rows[i]!)
  return Array.from({ length: count }, (_, part) =>
    shuffled
      .slice((part * rows.length) / count, ((part + 1) * rows.length) / count)
      .map((row) => ({ ...row, weight: row.weight * count })),
  )
}
