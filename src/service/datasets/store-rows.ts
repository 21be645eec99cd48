import { RowChecker, type DatasetLimits, type Tally } from '../../core/datasets/row-checker.ts'
import { GavelError } from '../../core/errors.ts'
import type { BlobStore } from '../../core/ports.ts'
import type { WorkBudget } from '../../core/work-budget.ts'
import { sha256Hex } from '../../core/sha256.ts'
import type { Segment } from '../database.ts'

/** About how large an object of a dataset is: small beside what a Cloudflare Worker may hold (128 MB). */
export const SEGMENT_BYTES = 8 * 1024 * 1024
/** Most objects of a dataset: what a row of the database can name. */
export const MAX_SEGMENTS = 4000

/** Taken at a time, however large the chunks are that a body comes in. */
const CHUNK_BYTES = 64 * 1024

const NEWLINE = 10

/** Where rows go on from. */
export interface Begun {
  tally: Tally
  segments: readonly Segment[]
}

/**
 * Checks rows as they come and stores them in objects of whole lines, with no more than one of these in memory. Where a
 * row is bad, the body breaks off or the store fails, what was stored of it is deleted again.
 * @param keyOf the key of the n-th object
 * @param work holds the bytes that are in memory, and lets others go on between rows
 * @throws GavelError as {@link RowChecker}, and what the store throws; `unprocessable` where there are no rows
 */
export async function storeRows(
  blobs: BlobStore,
  body: AsyncIterable<Uint8Array>,
  {
    begun,
    limits,
    keyOf,
    work,
  }: { begun: Begun; limits: DatasetLimits; keyOf: (n: number) => string; work: WorkBudget },
): Promise<Begun> {
  const checker = new RowChecker(limits, begun.tally)
  const stored: Segment[] = []
  const tried: string[] = []
  const buffer = new GrowingBuffer((bytes) => work.hold(bytes))
  /** What was counted up to the last cut. */
  let cut = { rows: begun.tally.rows, newlines: begun.tally.newlines }

  const put = async (bytes: Uint8Array) => {
    if (begun.segments.length + stored.length >= MAX_SEGMENTS) {
      const message = `The dataset is in ${MAX_SEGMENTS} pieces, and cannot be appended to any more. Download it and upload it as one.`
      throw new GavelError('too_large', message)
    }
    const blob = keyOf(tried.length)
    tried.push(blob)
    await blobs.put(blob, bytes, { contentType: 'application/jsonl' })
    const { rows, newlines } = checker.tally
    const sha256 = await sha256Hex(bytes)
    stored.push({ blob, bytes: bytes.length, rows: rows - cut.rows, line: cut.newlines + 1, sha256 })
    cut = { rows, newlines }
  }
  const push = async (chunk: Uint8Array) => {
    if (work.due) await work.turn()
    work.piece('body', () => {
      checker.push(chunk)
      buffer.append(chunk)
    })
    // A line is shorter than an object, so there is an end of one in it.
    if (buffer.length >= SEGMENT_BYTES) await put(buffer.take(buffer.bytes.lastIndexOf(NEWLINE) + 1))
  }

  try {
    if (begun.tally.open) await push(Uint8Array.of(NEWLINE))
    for await (const chunk of smallChunks(body)) await push(chunk)
    const tally = checker.end()
    if (tally.rows === begun.tally.rows) {
      throw new GavelError('unprocessable', 'The dataset has no rows; send JSONL, one JSON object a line.')
    }
    if (buffer.length > 0) await put(buffer.bytes)
    return { tally, segments: [...begun.segments, ...stored] }
  } catch (error) {
    await Promise.allSettled(tried.map((key) => blobs.delete(key)))
    throw error
  }
}

/** Chunks of a size that takes some ms to check. */
export async function* smallChunks(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) yield chunk.subarray(at, at + CHUNK_BYTES)
  }
}

/** Bytes put together; what is taken off its front makes room for more. */
class GrowingBuffer {
  #held = new Uint8Array(64 * 1024)
  readonly #grows: (bytes: number) => void
  length = 0

  /** @param grows is told of more that is held, and may throw */
  constructor(grows: (bytes: number) => void) {
    this.#grows = grows
  }

  get bytes(): Uint8Array {
    return this.#held.subarray(0, this.length)
  }

  append(chunk: Uint8Array): void {
    const length = this.length + chunk.length
    if (length > this.#held.length) {
      this.#grows(2 * length - this.#held.length)
      const larger = new Uint8Array(2 * length)
      larger.set(this.bytes)
      this.#held = larger
    }
    this.#held.set(chunk, this.length)
    this.length = length
  }

  /** The first bytes, as an array of their own. */
  take(count: number): Uint8Array {
    const taken = this.#held.slice(0, count)
    this.#held.copyWithin(0, count, this.length)
    this.length -= count
    return taken
  }
}
