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
    max_new_tokens: v.optional(integer(1, 1_000_000, 'Longest completion in tokens. Default 256.'), 256),
    temperature: v.optional(number(0, 10, 'Sampling temperature; 0 is greedy. Default 0.'), 0),
    limit: v.optional(integer(1, 1_000_000, 'Only the first rows, at most so many. Default all.')),
    samples: v.optional(
      integer(0, 100_000, 'How many answers are kept as samples, from the first on. Default 20.'),
      20,
    ),
  }),
})
export type EvalSpec = v.InferOutput<typeof evalSpec>

/**
 * The result of an `eval` job. `low` and `high` are the 95 % Wilson interval, fractions. `judge` says how the judge
 * agrees with the verifier, over the answers it scored: AUC, and with Yes taken as P(Yes) ≥ 0.5 the shares of right
 * verdicts, of wrong answers accepted and of right ones refused; null where there is nothing to divide by. Its label
 * mass is the mean over those it abstained from as well.
 */
export const evalResult = v.object({
  correct: v.number(),
  n: v.number(),
  accuracy: v.number(),
  low: v.number(),
  high: v.number(),
  judge: v.optional(
    v.object({
      scored: v.number(),
      mean: v.nullable(v.number()),
      label_mass: v.nullable(v.number()),
      auc: v.nullable(v.number()),
      accuracy: v.nullable(v.number()),
      false_positive_rate: v.nullable(v.number()),
      false_negative_rate: v.nullable(v.number()),
    }),
  ),
})
export type EvalResult = v.InferOutput<typeof evalResult>
