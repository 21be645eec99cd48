/** `sft`: supervised fine-tuning on the completions of a dataset. */
import * as v from 'valibot'
import { fields, integer, name, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { promptTemplate, steps, trainingEntries } from './training.ts'

export const sftSpec = fields({
  type: v.literal('sft'),
  name: v.optional(name),
  model: modelReference,
  dataset: reference('Dataset whose rows carry `completion`, by id or name.'),
  prompt_template: promptTemplate,
  config: fields({
    ...trainingEntries,
    steps,
    batch_size: integer(1, 65_536, 'Rows of one step, ≥ 1.'),
    max_tokens: integer(8, 1_000_000, 'Longest row (prompt and completion) in tokens; longer ones are an error.'),
  }),
})
export type SftSpec = v.InferOutput<typeof sftSpec>
