import { int32, int64, type RuntimeTensor } from '../runtime/tensors.ts'

/** What the decode graph takes of the texts of one run. */
export type RowInputs = Record<'ids' | 'positions' | 'last' | 'total' | 'read', RuntimeTensor>

interface Prompt {
  prompt: readonly number[]
  completions: readonly unknown[]
}

/** A text under way. Its last token is part of its length, but not in the cache yet. */
interface Text {
  length: number
  last: number
}

/**
 * The first text that its last token has made long, or -1: what the cache holds of it was rotated otherwise, and it
 * begins anew. @param limit of the texts that are not long; undefined where all are rotated alike
 */
export const becameLong = (active: readonly Text[], limit: number | undefined): number =>
  limit === undefined ? -1 : active.findIndex(({ length }) => length === limit + 1)

/** Whole prompts, padded on the right; each completion reads its prompt's last position. */
export function prefillRows(prompts: readonly Prompt[]): RowInputs {
  const rows = prompts.length
  const width = Math.max(...prompts.map((p) => p.prompt.length))
  const ids = new Int32Array(rows * width)
  prompts.forEach(({ prompt }, row) => ids.set(prompt, row * width))
  const read = prompts.flatMap(({ prompt, completions }, row) => completions.map(() => row * width + prompt.length - 1))
  return {
    ids: int64(ids, [rows, width]),
    positions: int64(
      ids.map((_, i) => i % width),
      [rows, width],
    ),
    last: int32(
      prompts.map((p) => p.prompt.length - 1),
      [rows],
    ),
    total: int32([width], []),
    read: int64(read, [read.length]),
  }
}

/** A stretch of one prompt from place `from` on, what is before it being in the cache; every place is read. */
export function promptRows(ids: readonly number[], from: number): RowInputs {
  const places = ids.map((_, i) => i)
  const total = from + ids.length
  return {
    ids: int64(ids, [1, ids.length]),
    positions: int64(
      places.map((i) => from + i),
      [1, ids.length],
    ),
    last: int32([total - 1], [1]),
    total: int32([total], []),
    read: int64(places, [ids.length]),
  }
}

/** One new token a text: the one drawn last. */
export function decodeRows(active: readonly Text[]): RowInputs {
  const rows = active.length
  const places = active.map((text) => text.length - 1)
  return {
    ids: int64(
      active.map((text) => text.last),
      [rows, 1],
    ),
    positions: int64(places, [rows, 1]),
    last: int32(places, [rows]),
    total: int32([Math.max(...places) + 1], []),
    read: int64(
      active.map((_, i) => i),
      [rows],
    ),
  }
}
