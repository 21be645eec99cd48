/** A model: a name for weights that a worker can load. */
import * as v from 'valibot'
import { fields, name, reference, shortText, unixSeconds, version } from './fields.ts'

export const hubSource = fields({
  type: v.literal('hub'),
  repo: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9_.-]{1,96}(\/[A-Za-z0-9_.-]{1,96})?$/, 'must be a hub id such as `owner/name`'),
    v.description('Hub id.'),
  ),
  revision: v.optional(shortText('Branch, tag or commit. Default main.', 128)),
  file: v.optional(shortText('One file of the repository, for GGUF.', 256)),
})

export const localSource = fields({
  type: v.literal('local'),
  path: shortText("A folder or GGUF file on the worker's machine, inside what its operator allows.", 4096),
})

export const checkpointSource = fields({
  type: v.literal('checkpoint'),
  checkpoint: v.pipe(
    v.string(),
    v.regex(/^ckpt_[A-Za-z0-9]{24}$/, 'must be the id of a checkpoint (ckpt_…)'),
    v.description('Weights that a job has committed.'),
  ),
})

export const modelSource = v.variant('type', [hubSource, localSource, checkpointSource])
export type ModelSource = v.InferOutput<typeof modelSource>

export const createModel = fields({ name, source: modelSource })
export type CreateModel = v.InferOutput<typeof createModel>

export const model = v.object({
  id: v.string(),
  object: v.literal('model'),
  name: v.string(),
  version,
  created_at: unixSeconds,
  source: modelSource,
})
export type Model = v.InferOutput<typeof model>

/** Where a job takes a model from. */
export const modelReference = reference('A model by id or name, or a checkpoint by id.')
