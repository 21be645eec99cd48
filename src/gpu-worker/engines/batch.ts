import { int64, type RuntimeTensor } from '../runtime/tensors.ts'

/** A row of training: its tokens, and from which on they are trained (a completion after its prompt). */
export interface Row {
  ids: readonly number[]
  /** Index of the first token to predict; at least 1, since the first token has nothing before it. */
  start: number
  /** What is to be predicted in place of `ids[start…]`, one id each; the row's own tokens when absent. */
  targets?: readonly number[]
}

export const trainedTokens = (row: Row): number => row.ids.length - row.start

/** Padded rows as the training graphs take them. */
export interface Batch {
  inputs: Record<'ids' | 'positions' | 'mask' | 'predict' | 'targets' | 'rows', RuntimeTensor>
  /** Number of trained tokens, M; row after row, in order. */
  tokens: number
}

const PADDING = 0

/** Rows padded on the right to the longest (or on the left, which is equivalent). */
export function makeBatch(rows: readonly Row[], { padLeft = false } = {}): Batch {
  const width = Math.max(...rows.map((r) => r.ids.length))
  const ids = new Int32Array(rows.length * width).fill(PADDING)
  const positions = new Int32Array(ids.length)
  const mask = new Int32Array(ids.length)
  const predict: number[] = []
  const targets: number[] = []
  const rowOf: number[] = []
  rows.forEach((row, b) => {
    const offset = b * width + (padLeft ? width - row.ids.length : 0)
    row.ids.forEach((id, t) => {
      ids[offset + t] = id
      positions[offset + t] = t
      mask[offset + t] = 1
      if (t >= row.start) {
        predict.push(offset + t - 1)
        rowOf.push(b)
        targets.push(row.targets ? row.targets[t - row.start]! : id)
      }
    })
  })
  const shape = [rows.length, width]
  return {
    inputs: {
      ids: int64(ids, shape),
      positions: int64(positions, shape),
      mask: int64(mask, shape),
      predict: int64(predict, [predict.length]),
      targets: int64(targets, [targets.length]),
      rows: int64(rowOf, [rowOf.length]),
    },
    tokens: predict.length,
  }
}

/**
 * Splits rows into micro-batches of at most `maxTokens` padded tokens each (one row at least), rows of like
 * length together. Answers indices into `lengths`; the same lengths always give the same split.
 */
export function splitByTokens(lengths: readonly number[], maxTokens: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b)
  const parts: number[][] = []
  for (const i of order) {
    const part = parts.at(-1)
    const width = part && lengths[part[0]!]!
    if (part && width! * (part.length + 1) <= maxTokens) part.push(i)
    else parts.push([i])
  }
  return parts
}
