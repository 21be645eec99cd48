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

/** Rows with the same prompt, computed as one sequence: all but the prompt's last token once, then each row's own. */
export type Bundle = readonly Row[]

/**
 * Longest bundle in tokens. The shorter the completions beside the prompt, the more a bundle saves; a long one spends it
 * on attention, whose cost grows with the square of the length.
 */
const BUNDLE_TOKENS = 384

/** Longest sequence of a batch whose rows have up to `maxTokens` tokens. */
export const longestSequence = (maxTokens: number): number => Math.max(maxTokens, BUNDLE_TOKENS)

/** Tokens that the rows of a bundle share. A single row has no need to tell its own from shared ones. */
const sharedTokens = (bundle: Bundle): number => (bundle.length === 1 ? bundle[0]!.ids.length : bundle[0]!.start - 1)

function bundleTokens(bundle: Bundle): number {
  const shared = sharedTokens(bundle)
  return bundle.reduce((sum, { ids }) => sum + ids.length - shared, shared)
}

/** Puts neighbours with the same prompt together. Answers indices into `rows`, all of them in order. */
export function bundleRows(rows: readonly Row[]): number[][] {
  const bundles: number[][] = []
  rows.forEach((row, i) => {
    const bundle = bundles.at(-1)
    const joined = bundle && [...bundle.map((j) => rows[j]!), row]
    if (joined && samePrompt(joined[0]!, row) && bundleTokens(joined) <= BUNDLE_TOKENS) bundle.push(i)
    else bundles.push([i])
  })
  return bundles
}

const samePrompt = (a: Row, b: Row): boolean =>
  a.start === b.start && a.start > 1 && a.ids.slice(0, a.start).every((id, t) => id === b.ids[t])

/** Padded sequences as the training graphs take them. */
export interface Batch {
  inputs: Record<'ids' | 'positions' | 'segments' | 'predict' | 'targets' | 'rows', RuntimeTensor>
  /** Number of trained tokens, M; row after row, in order. */
  tokens: number
}

const PADDING = 0
/** Segments: what all rows of a sequence see, what none does; a row's own has a number from 1. */
const SHARED = 0
const UNSEEN = -1

/** Rows padded on the right to the longest (or on the left, which is equivalent), a sequence each. */
export const makeBatch = (rows: readonly Row[], options?: { padLeft?: boolean }): Batch =>
  makeBundledBatch(
    rows.map((row) => [row]),
    options,
  )

/** Bundles, a sequence each, padded as {@link makeBatch} pads rows. */
export function makeBundledBatch(bundles: readonly Bundle[], { padLeft = false } = {}): Batch {
  const width = Math.max(...bundles.map(bundleTokens))
  const ids = new Int32Array(bundles.length * width).fill(PADDING)
  const positions = new Int32Array(ids.length)
  const segments = new Int32Array(ids.length).fill(UNSEEN)
  const predict: number[] = []
  const targets: number[] = []
  const rowOf: number[] = []
  let rows = 0
  bundles.forEach((bundle, b) => {
    const shared = sharedTokens(bundle)
    const first = b * width + (padLeft ? width - bundleTokens(bundle) : 0)
    let next = first
    bundle.forEach((row, k) => {
      for (let t = k === 0 ? 0 : shared; t < row.ids.length; t++, next++) {
        ids[next] = row.ids[t]!
        positions[next] = t
        segments[next] = t < shared ? SHARED : k + 1
        if (t < row.start) continue
        predict.push(next - 1)
        rowOf.push(rows)
        targets.push(row.targets ? row.targets[t - row.start]! : row.ids[t]!)
      }
      if (trainedTokens(row) > 0) rows++
    })
  })
  const shape = [bundles.length, width]
  return {
    inputs: {
      ids: int64(ids, shape),
      positions: int64(positions, shape),
      segments: int64(segments, shape),
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

/** A batch, and which rows are in it: indices, in the order of its trained tokens. */
export interface MicroBatch {
  rows: number[]
  batch: Batch
}

/** Batches of at most `maxTokens` padded tokens each that hold all rows, neighbours with the same prompt bundled. */
export function* microBatches(rows: readonly Row[], maxTokens: number): Generator<MicroBatch> {
  const bundles = bundleRows(rows)
  const rowsOf = (bundle: readonly number[]) => bundle.map((i) => rows[i]!)
  const lengths = bundles.map((bundle) => bundleTokens(rowsOf(bundle)))
  for (const part of splitByTokens(lengths, maxTokens)) {
    const chosen = part.map((b) => bundles[b]!)
    yield { rows: chosen.flat(), batch: makeBundledBatch(chosen.map(rowsOf)) }
  }
}
