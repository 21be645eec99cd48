import { int64, type RuntimeTensor } from '../runtime/tensors.ts'

type Text = readonly number[]

/** Texts that begin with the same tokens. */
export interface PrefixGroup {
  /** How many tokens they share; every text has at least one of its own after them. */
  shared: number
  /** Indices of the texts. */
  rows: number[]
}

/** What a scoring graph takes of one run: the tokens that are computed, and where each text finds its own. */
export type PrefixInputs = Record<
  'ids' | 'positions' | 'shared' | 'own' | 'shared_lengths' | 'place' | 'read',
  RuntimeTensor
>

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

/** The inputs of one run. Its outputs are in the order of the groups' rows. */
export function prefixInputs(run: readonly PrefixGroup[], texts: readonly Text[]): PrefixInputs {
  const Q = run.length
  const A = Math.max(...run.map(({ rows }) => rows.length))
  const P = Math.max(1, ...run.map(({ shared }) => shared))
  const S = Math.max(...run.flatMap(({ shared, rows }) => rows.map((row) => texts[row]!.length - shared)))
  const [ids, positions, place, read]: number[][] = [[], [], [], []]
  // Padding points at the first token; nothing looks at what comes of it.
  const shared = new Int32Array(Q * P)
  const own = new Int32Array(Q * A * S)
  const add = (text: Text, from: number, to: number, index: Int32Array, at: number, ownOffset: number) => {
    for (let t = from; t < to; t++) {
      index[at + t - from] = ids.length
      place.push(ownOffset + at + t - from)
      ids.push(text[t]!)
      positions.push(t)
    }
  }
  run.forEach((group, q) => {
    add(texts[group.rows[0]!]!, 0, group.shared, shared, q * P, 0)
    group.rows.forEach((row, a) => {
      add(texts[row]!, group.shared, texts[row]!.length, own, (q * A + a) * S, Q * P)
      read.push(ids.length - 1)
    })
  })
  return {
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
    read: int64(read, [read.length]),
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
