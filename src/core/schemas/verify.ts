/** Exact checks of what a model wrote against gold. */
import * as v from 'valibot'
import { fields, gold, jsonObject, list, MAX_ITEMS, number, text } from './fields.ts'
import { SIMILARITY_METRICS, STRING_OPERATIONS } from './grader.ts'

/** Verifiers that compare an answer with gold at once, and have no options. */
export const COMPARISON_NAMES = ['math', 'exact', 'contains'] as const
/** Verifiers that a name alone says everything of. */
export const VERIFIER_NAMES = [...COMPARISON_NAMES, 'program', 'json_schema'] as const

export const comparisonName = v.pipe(
  v.picklist(COMPARISON_NAMES),
  v.description('`math`: the last stated answer, by value; `exact`: equal text; `contains`: gold occurs in the text.'),
)

const programVerifier = fields({
  type: v.literal('program'),
  tolerance: v.optional(
    number(0, 1e6, 'How far the returned number may be from gold, either way. Default 0.01, as in the paper.'),
    0.01,
  ),
})
const stringCheckVerifier = fields({
  type: v.literal('string_check'),
  operation: v.pipe(
    v.picklist(STRING_OPERATIONS),
    v.description('`eq`, `ne`: the text is, or is not, gold; `like`: it contains gold; `ilike`: whatever the case.'),
  ),
})
const textSimilarityVerifier = fields({
  type: v.literal('text_similarity'),
  evaluation_metric: v.picklist(SIMILARITY_METRICS.filter((metric) => metric !== 'cosine')),
  pass_threshold: number(0, 1, 'Similarity from which on a text counts as correct. The reward is the similarity.'),
})
const jsonSchemaVerifier = fields({
  type: v.literal('json_schema'),
  schema: v.optional(
    jsonObject('The JSON Schema (draft 2020-12) that every text must meet. Left out, each gold is one, as JSON.'),
  ),
})

/** A verifier with its options. */
const configured = v.variant('type', [
  fields({ type: v.literal('math') }),
  fields({ type: v.literal('exact') }),
  fields({ type: v.literal('contains') }),
  programVerifier,
  stringCheckVerifier,
  textSimilarityVerifier,
  jsonSchemaVerifier,
])

export const verifierSpec = v.pipe(
  v.union([v.picklist(VERIFIER_NAMES), configured]),
  v.description(
    'A name, or `{type, …}` with options. `math`: the last stated answer, by value; `exact`: equal text; `contains`: ' +
      'gold occurs in the text; `program`: what the Python function `solution()` in the text returns; `string_check`, ' +
      '`text_similarity`: as the graders of that name; `json_schema`: the text is JSON of that shape.',
  ),
)
export type VerifierSpec = v.InferOutput<typeof verifierSpec>
/** A verifier's options by its type. */
export type VerifierConfig = v.InferOutput<typeof configured>

export const verifyRequest = fields({
  verifier: verifierSpec,
  items: list(
    fields({
      text: text('What the model wrote.'),
      gold: v.optional(gold('The answer known to be right. Only `json_schema` with a schema does without.'), ''),
    }),
    1,
    MAX_ITEMS,
  ),
})
export type VerifyRequest = v.InferOutput<typeof verifyRequest>

export const verdict = v.object({
  correct: v.boolean(),
  extracted: v.pipe(v.nullable(v.string()), v.description('The answer found in the text; null when there is none.')),
  reward: v.pipe(
    v.number(),
    v.description('1 correct, 0.1 a well-formed number but wrong, 0 no answer; of `text_similarity` the similarity.'),
  ),
  reason: v.optional(v.pipe(v.string(), v.description('Why the text is refused, where more is known than that.'))),
})
export type Verdict = v.InferOutput<typeof verdict>

export const verifyAnswer = v.object({ object: v.literal('list'), data: v.array(verdict), has_more: v.literal(false) })
