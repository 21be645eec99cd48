import type { Model } from '../models/model.ts'
import { int64, type RuntimeTensor } from '../runtime/tensors.ts'
import { alone, longTextsApart, packGroups, prefixBatch, type PrefixGroup, type PrefixInputs } from './prefix-groups.ts'

/** A row of training: its tokens, and from which on they are trained (a completion after its prompt). */
export interface Row {
  ids: readonly number[]
  /** Index of the first token to predict; at least 1, since the first token has nothing before it. */
  start: number
  /** What is to be predicted in place of `ids[start…]`, one id each; the row's own tokens when absent. */
  targets?: readonly number[]
}

export const trainedTokens = (row: Row): number => row.ids.length - row.start

/** Rows as the training graphs take them. */
export interface Batch {
  inputs: PrefixInputs & Record<'predict' | 'targets' | 'rows', RuntimeTensor>
  /** Number of trained tokens, M; row after row, in order. */
  tokens: number
}

/** A batch, and which rows are in it: indices, in the order of its trained tokens. */
export interface MicroBatch {
  rows: number[]
  batch: Batch
}

/** Each row by itself, in one batch. */
export function makeBatch(rows: readonly Row[]): Batch {
  const texts = rows.map(computed)
  return batchOf(rows, texts, texts.map(alone))
}

/**
 * Batches of at most `maxTokens` padded tokens each (one row at least) that hold all rows, those of like length
 * together; neighbours with the same prompt share it, as far as the model lets them. The same rows always give the same
 * batches.
 */
export function* microBatches(
  rows: readonly Row[],
  maxTokens: number,
  { longTexts }: Pick<Model, 'longTexts'>,
): Generator<MicroBatch> {
  const texts = rows.map(computed)
  const groups = longTextsApart(groupByPrompt(rows), (i) => rows[i]!.ids.length, longTexts)
  for (const run of packGroups(groups, texts, maxTokens)) {
    yield { rows: run.flatMap((group) => group.rows), batch: batchOf(rows, texts, run) }
  }
}

/** Neighbours with the same prompt share all of it but the last token, after which they part. */
export function groupByPrompt(rows: readonly Row[]): PrefixGroup[] {
  const groups: PrefixGroup[] = []
  rows.forEach((row, i) => {
    const group = groups.at(-1)
    if (!group || !samePrompt(rows[group.rows[0]!]!, row)) return groups.push(alone(computed(row), i))
    group.shared = row.start - 1
    group.rows.push(i)
  })
  return groups
}

const samePrompt = (a: Row, b: Row): boolean =>
  a.start === b.start && a.start > 1 && a.ids.slice(0, a.start).every((id, t) => id === b.ids[t])

/** What of a row is computed: nothing is predicted from its last token. */
const computed = ({ ids }: Row): readonly number[] => (ids.length > 1 ? ids.slice(0, -1) : ids)

/** @param texts what is computed of each row */
function batchOf(rows: readonly Row[], texts: readonly (readonly number[])[], run: readonly PrefixGroup[]): Batch {
  const { inputs, indexOf } = prefixBatch(run, texts)
  const predict: number[] = []
  const targets: number[] = []
  const rowOf: number[] = []
  let trained = 0
  for (const i of run.flatMap((group) => group.rows)) {
    const { ids, start, targets: others } = rows[i]!
    for (let t = start; t < ids.length; t++) {
      predict.push(indexOf(i, t - 1))
      targets.push(others ? others[t - start]! : ids[t]!)
      rowOf.push(trained)
    }
    if (start < ids.length) trained++
  }
  const M = [predict.length]
  return {
    inputs: { ...inputs, predict: int64(predict, M), targets: int64(targets, M), rows: int64(rowOf, M) },
    tokens: predict.length,
  }
}
