/** A checkpoint: a committed step of a job. Its manifest is written last; without one there is no checkpoint. */
import * as v from 'valibot'
import { fields, integer, jsonObject, sha256, unixSeconds } from './fields.ts'

/** Largest single file of a checkpoint, in bytes: S3, R2 and their like take a little more, in parts. */
export const MAX_OBJECT_BYTES = 5e12
/** Most files of a checkpoint. */
export const MAX_OBJECTS = 1000

/**
 * Whether only the run itself has a use for a file (the optimizer's memory, the value head, the reference), whole or in
 * shards: most of a checkpoint's bytes.
 */
export const isOfTheRun = (name: string): boolean =>
  /^(optimizer|value_head|reference)(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/.test(name)

export const objectEntry = fields({
  name: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/, 'must be a plain file name'),
    v.check((name) => name !== 'manifest.json', 'must not be manifest.json: the API writes that one'),
    v.description('File name, without folders.'),
  ),
  size: integer(0, MAX_OBJECT_BYTES, 'Size in bytes.'),
  sha256,
})
export type ObjectEntry = v.InferOutput<typeof objectEntry>

const distinctNames = v.check<ObjectEntry[], string>(
  (objects) => new Set(objects.map((object) => object.name)).size === objects.length,
  'must not name one file twice',
)
export const objectEntries = v.pipe(v.array(objectEntry), v.minLength(1), v.maxLength(MAX_OBJECTS), distinctNames)

export const manifest = fields({
  objects: objectEntries,
  state: v.optional(
    jsonObject('What a worker needs beside the files to go on exactly: cursors, generators, counters.'),
    {},
  ),
})
export type Manifest = v.InferOutput<typeof manifest>

export const checkpoint = v.object({
  id: v.string(),
  object: v.literal('checkpoint'),
  job: v.string(),
  step: v.number(),
  created_at: unixSeconds,
  bytes: v.pipe(v.number(), v.description('Size of all files together.')),
  files: v.array(v.object({ name: v.string(), size: v.number(), sha256: v.string(), url: v.string() })),
})
export type Checkpoint = v.InferOutput<typeof checkpoint>
