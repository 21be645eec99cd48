import { datasetRows, type NumberedRow } from '../../core/datasets/dataset-rows.ts'
import { RowChecker } from '../../core/datasets/row-checker.ts'
import { GavelError } from '../../core/errors.ts'
import type { BlobStore } from '../../core/ports.ts'
import type { DatasetBody, ResourceRow, Segment } from '../database.ts'
import type { Begun } from './store-rows.ts'

/**
 * The bytes of a dataset's pieces, as they come.
 * @param param the field that named the dataset
 * @throws GavelError `not_found` where the store has lost one
 */
export async function* segmentBytes(
  blobs: BlobStore,
  id: string,
  segments: readonly Segment[],
  param = 'id',
): AsyncGenerator<Uint8Array> {
  for (const { blob } of segments) {
    const object = await blobs.stream(blob)
    if (!object) {
      throw new GavelError('not_found', `The file of ${id} is gone from the object store. Upload it again.`, {
        param,
      })
    }
    yield* object.body as unknown as AsyncIterable<Uint8Array>
  }
}

/** The rows of a dataset after a line; only the pieces from there on are read. */
export function rowsAfter(
  blobs: BlobStore,
  { id, body: { segments } }: ResourceRow<DatasetBody>,
  line: number,
  param?: string,
): AsyncGenerator<NumberedRow> {
  // Not the piece that begins with the line after it: that may be no more than the end of the line.
  const from = Math.max(
    0,
    segments.findLastIndex((segment) => segment.line <= line),
  )
  return datasetRows(segmentBytes(blobs, id, segments.slice(from), param), segments[from]?.line)
}

/** What rows that are appended to a dataset go on from. A dataset that was made before that was noted is read for it. */
export async function begunBy(blobs: BlobStore, { id, body }: ResourceRow<DatasetBody>): Promise<Begun> {
  const { segments, rows, labelled, completions, bytes, newlines, open, hash } = body
  if (newlines !== undefined && open !== undefined && hash) {
    return { tally: { rows, labelled, completions, bytes, newlines, open, hash }, segments }
  }
  const checker = new RowChecker({ bytes: Infinity, rows: Infinity })
  for await (const chunk of segmentBytes(blobs, id, segments)) checker.push(chunk)
  return { tally: checker.end(), segments }
}
