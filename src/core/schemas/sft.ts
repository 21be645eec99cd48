/** `sft`: supervised fine-tuning on the completions of a dataset. */
import * as v from 'valibot'
import { fields, integer, name, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { learningRate, steps, textEntries, trainingEntries } from './training.ts'

export const sftSpec = fields({
  type: v.literal('sft'),
  name: v.optional(name),
  model: modelReference,
  dataset: reference('Dataset whose rows carry `completion`, by id or name.'),
  ...textEntries,
  config: fields({
    ...trainingEntries,
    learning_rate: learningRate(2e-5),
    steps,
    batch_size: v.optional(integer(1, 65_536, 'Rows of one step, ≥ 1. Default 16.'), 16),
    max_tokens: v.optional(
      integer(8, 1_000_000, 'Longest row (prompt and completion) in tokens; longer ones are an error. Default 1024.'),
      1024,
    ),
  }),
})
export type SftSpec = v.InferOutput<typeof sftSpec>
