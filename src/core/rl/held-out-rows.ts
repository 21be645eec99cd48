import { SeededRng } from './seeded-rng.ts'
import { shuffledIndices } from './shuffled-indices.ts'

/**
 * Which of a dataset's rows are held out of training: `share` of them to the nearest whole number, but one at least, and
 * one at least left to train on. The same seed and number of rows give the same.
 * @param count of rows, at least 2
 * @param share in (0, 1)
 * @returns indices, 0 … count − 1
 */
export function heldOutRows(count: number, share: number, seed: number | string): ReadonlySet<number> {
  if (count < 2) throw new RangeError(`of ${count} rows none can be held out`)
  const held = Math.min(count - 1, Math.max(1, Math.round(share * count)))
  return new Set(shuffledIndices(count, new SeededRng(seed, 'validation', 'rows')).slice(0, held))
}
