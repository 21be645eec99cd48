/** `eval`: share of a dataset's rows that a model answers correctly. */
import * as v from 'valibot'
import { fields, integer, name, number, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { promptTemplate } from './training.ts'
import { verifierName } from './verify.ts'

export const evalSpec = fields({
  type: v.literal('eval'),
  name: v.optional(name),
  model: modelReference,
  dataset: reference('Dataset whose rows have an answer, by id or name.'),
  prompt_template: promptTemplate,
  verifier: verifierName,
  judge: v.optional(reference('A judge to ask about each answer as well, by id or name.')),
  config: fields({
    seed: v.optional(integer(0, 2 ** 32 - 1, 'Seed of sampling. Default 0.'), 0),
    max_prompt_tokens: v.optional(integer(1, 1_000_000, 'Longest prompt in tokens. Default 1024.'), 1024),
    max_new_tokens: integer(1, 1_000_000, 'Longest completion in tokens.'),
    temperature: v.optional(number(0, 10, 'Sampling temperature; 0 is greedy. Default 0.'), 0),
    limit: v.optional(integer(1, 1_000_000, 'Only the first rows, at most so many. Default all.')),
  }),
})
export type EvalSpec = v.InferOutput<typeof evalSpec>

/** The result of an `eval` job. `low` and `high` are the 95 % Wilson interval, fractions. */
export const evalResult = v.object({
  correct: v.number(),
  n: v.number(),
  accuracy: v.number(),
  low: v.number(),
  high: v.number(),
})
export type EvalResult = v.InferOutput<typeof evalResult>
