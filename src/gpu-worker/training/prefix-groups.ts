import type { Sizes } from '../graph/peak-memory.ts'
import { int64, type RuntimeTensor } from '../runtime/tensors.ts'

type Text = readonly number[]

/** Texts that begin with the same tokens. */
export interface PrefixGroup {
  /** How many tokens they share; every text has at least one of its own after them. */
  shared: number
  /** Indices of the texts. */
  rows: number[]
}

/** What the graphs take of one run: the tokens that are computed, and where each text finds its own. */
export type PrefixInputs = Record<'ids' | 'positions' | 'shared' | 'own' | 'shared_lengths' | 'place', RuntimeTensor>

export interface PrefixBatch {
  inputs: PrefixInputs
  /** Where a text's t-th token is among those computed. */
  indexOf: (row: number, t: number) => number
}

/**
 * Groups texts so that few tokens are computed: a text joins the group before it, in alphabetical order, where that
 * saves more tokens than it costs the group.
 */
export function groupByPrefix(texts: readonly Text[]): PrefixGroup[] {
  const groups: PrefixGroup[] = []
  const order = [...texts.keys()].sort((a, b) => compare(texts[a]!, texts[b]!) || a - b)
  for (const row of order) {
    const text = texts[row]!
    const group = groups.at(-1)
    if (group) {
      const size = group.rows.length
      const shared = Math.min(group.shared, text.length - 1, commonLength(texts[group.rows.at(-1)!]!, text))
      if (size * shared > (size - 1) * group.shared) {
        group.shared = shared
        group.rows.push(row)
        continue
      }
    }
    groups.push({ shared: text.length - 1, rows: [row] })
  }
  return groups
}

/**
 * Takes texts longer than `limit` tokens out of their groups: a model that rotates them otherwise computes nothing of
 * them as it does of others.
 */
export function longTextsApart(
  groups: readonly PrefixGroup[],
  lengthOf: (row: number) => number,
  limit: number | undefined,
): readonly PrefixGroup[] {
  if (limit === undefined) return groups
  return groups.flatMap(({ shared, rows }) => {
    const short = rows.filter((row) => lengthOf(row) <= limit)
    const long = rows.filter((row) => lengthOf(row) > limit)
    return [...(short.length ? [{ shared, rows: short }] : []), ...long.map((row) => ({ shared, rows: [row] }))]
  })
}

/**
 * Puts groups together into runs of at most `maxTokens` padded tokens each (one text at least); a group that is larger
 * is split. Groups of like size go together.
 */
export function packGroups(groups: readonly PrefixGroup[], texts: readonly Text[], maxTokens: number): PrefixGroup[][] {
  const own = ({ shared, rows }: PrefixGroup) => Math.max(...rows.map((row) => texts[row]!.length - shared))
  const padded = (run: readonly PrefixGroup[]) =>
    run.length *
    (Math.max(...run.map(({ shared }) => shared)) +
      Math.max(...run.map(({ rows }) => rows.length)) * Math.max(...run.map(own)))

  const parts = groups.flatMap(({ shared, rows }) => {
    const split: PrefixGroup[] = []
    for (const row of rows) {
      const part = split.at(-1)
      const longer = part && { shared, rows: [...part.rows, row] }
      if (longer && padded([longer]) <= maxTokens) part.rows.push(row)
      else split.push({ shared, rows: [row] })
    }
    return split
  })
  parts.sort((a, b) => b.rows.length - a.rows.length || own(b) - own(a) || b.shared - a.shared)
  const runs: PrefixGroup[][] = []
  for (const part of parts) {
    const run = runs.at(-1)
    if (run && padded([...run, part]) <= maxTokens) run.push(part)
    else runs.push([part])
  }
  return runs
}

/** A text that shares nothing: nearly all of it goes where shared tokens do, whose attention is simpler. */
export const alone = (text: Text, row: number): PrefixGroup => ({ shared: text.length - 1, rows: [row] })

/** The inputs of texts, each by itself. */
export const textInputs = (texts: readonly Text[]): PrefixInputs => prefixBatch(texts.map(alone), texts).inputs

/** The named sizes of the graphs for Q groups of A texts, without padding: P tokens shared, and S of each text's own. */
export function prefixSizes({ Q, P, A, S }: Record<'Q' | 'P' | 'A' | 'S', number>): Sizes {
  const [QP, QAS] = [Q * P, Q * A * S]
  const N = QP + QAS
  return { Q, P, A, S, 'P+S': P + S, QP, 'QP+1': QP + 1, QAS, 'QAS+1': QAS + 1, places: N, N, B: N, T: 1 }
}

/** The inputs of one run. */
export function prefixBatch(run: readonly PrefixGroup[], texts: readonly Text[]): PrefixBatch {
  const Q = run.length
  const A = Math.max(...run.map(({ rows }) => rows.length))
  const P = Math.max(1, ...run.map(({ shared }) => shared))
  const S = Math.max(...run.flatMap(({ shared, rows }) => rows.map((row) => texts[row]!.length - shared)))
  const ids: number[] = []
  const positions: number[] = []
  const place: number[] = []
  // Padding points at the first token; nothing looks at what comes of it.
  const shared = new Int32Array(Q * P)
  const own = new Int32Array(Q * A * S)
  const begins = new Map<number, { shared: number; own: number; count: number }>()
  const add = (text: Text, from: number, to: number, index: Int32Array, at: number, ownOffset: number) => {
    const first = ids.length
    for (let t = from; t < to; t++) {
      index[at + t - from] = ids.length
      place.push(ownOffset + at + t - from)
      ids.push(text[t]!)
      positions.push(t)
    }
    return first
  }
  run.forEach((group, q) => {
    const first = add(texts[group.rows[0]!]!, 0, group.shared, shared, q * P, 0)
    group.rows.forEach((row, a) => {
      const after = add(texts[row]!, group.shared, texts[row]!.length, own, (q * A + a) * S, Q * P)
      begins.set(row, { shared: first, own: after, count: group.shared })
    })
  })
  return {
    indexOf: (row, t) => {
      const { shared, own, count } = begins.get(row)!
      return t < count ? shared + t : own + t - count
    },
    inputs: {
      // A row each: ONNX Runtime's rotation takes no row longer than a text may be.
      ids: int64(ids, [ids.length, 1]),
      positions: int64(positions, [ids.length, 1]),
      shared: int64(shared, [Q, P]),
      own: int64(own, [Q, A, S]),
      shared_lengths: int64(
        run.map((group) => group.shared),
        [Q],
      ),
      place: int64(place, [ids.length]),
    },
  }
}

function compare(a: Text, b: Text): number {
  const common = commonLength(a, b)
  return (a[common] ?? -1) - (b[common] ?? -1)
}

function commonLength(a: Text, b: Text): number {
  const end = Math.min(a.length, b.length)
  let i = 0
  while (i < end && a[i] === b[i]) i++
  return i
}
