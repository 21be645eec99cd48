/** Graders as OpenAI's API has them: how to turn a model's output and a dataset's item into a number. */
import * as v from 'valibot'
import { jsonObject, list, object, record, shortText, text } from './fields.ts'

/** Most options of a question: as many groups of 16 as a group has options make the last question. */
export const MAX_OPTIONS = 255

const graderName = shortText('What to call it; in a multi grader also its variable.', 128)
const template = (what: string) => text(`${what} \`{{item.…}}\` and \`{{sample.…}}\` are filled in.`)

export const STRING_OPERATIONS = ['eq', 'ne', 'neq', 'like', 'ilike'] as const
export type StringOperation = (typeof STRING_OPERATIONS)[number]

export const stringCheckGrader = object({
  type: v.literal('string_check'),
  name: graderName,
  input: template('The text to check.'),
  reference: template('What it is compared with.'),
  operation: v.pipe(
    v.picklist(STRING_OPERATIONS),
    v.description(
      '`like`: the input contains the reference; `ilike`: whatever the case. `neq` is another name of `ne`.',
    ),
  ),
})

export const SIMILARITY_METRICS = [
  'fuzzy_match', 'bleu', 'gleu', 'meteor', 'rouge_1', 'rouge_2', 'rouge_3', 'rouge_4', 'rouge_5', 'rouge_l', 'cosine',
] as const // prettier-ignore
export type SimilarityMetric = (typeof SIMILARITY_METRICS)[number]

export const textSimilarityGrader = object({
  type: v.literal('text_similarity'),
  name: graderName,
  input: template('The text to grade.'),
  reference: template('What it is compared with.'),
  evaluation_metric: v.picklist(SIMILARITY_METRICS),
  pass_threshold: v.nullish(v.number()),
})

const textPart = object({ type: v.picklist(['input_text', 'output_text', 'text']), text: template('Text.') })
const graderMessage = object({
  role: v.picklist(['user', 'assistant', 'system', 'developer']),
  content: v.union([template('Text.'), textPart, list(v.union([template('Text.'), textPart]), 0, 256)]),
  type: v.optional(v.literal('message')),
})
export type GraderMessage = v.InferOutput<typeof graderMessage>
const graderMessages = list(graderMessage, 1, 256)
const judge = shortText('A judge of yours, by id or name.', 128)

export const scoreModelGrader = object({
  type: v.literal('score_model'),
  name: graderName,
  model: judge,
  input: graderMessages,
  range: v.nullish(
    v.pipe(v.tuple([v.number(), v.number()]), v.description('Lowest and highest score. Default [0, 1].')),
  ),
  sampling_params: v.optional(
    v.nullable(jsonObject('Taken, and without effect: a judge answers with one token, whose probabilities are read.')),
  ),
  pass_threshold: v.nullish(v.number()),
})

export const labelModelGrader = object({
  type: v.literal('label_model'),
  name: graderName,
  model: judge,
  input: graderMessages,
  labels: list(shortText('A label.', 256), 2, MAX_OPTIONS),
  passing_labels: list(shortText('A label that gives 1.', 256), 0, MAX_OPTIONS),
})

export const pythonGrader = object({
  type: v.literal('python'),
  name: graderName,
  source: text('A program with `def grade(sample, item) -> float`.'),
  image_tag: v.nullish(v.string()),
})

/** Most graders in a multi grader. */
export const MAX_PARTS = 64

const leaves = [stringCheckGrader, textSimilarityGrader, scoreModelGrader, labelModelGrader, pythonGrader] as const
export const leafGrader = v.variant('type', leaves)
export type LeafGrader = v.InferOutput<typeof leafGrader>

export const multiGrader = object({
  type: v.literal('multi'),
  name: graderName,
  graders: v.pipe(
    v.union([leafGrader, list(leafGrader, 0, MAX_PARTS), v.pipe(record(leafGrader), v.maxEntries(MAX_PARTS))]),
    v.description('Graders by the variable they are in the formula; in a list, or alone, their names are. At most 64.'),
  ),
  calculate_output: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(2000),
    v.description('A formula over the variables: + - * / ^, min, max, abs, floor, ceil, exp, sqrt, log.'),
  ),
})
export const grader = v.variant('type', [...leaves, multiGrader])
export type Grader = v.InferOutput<typeof grader>

export const runGraderRequest = object({
  grader,
  model_sample: text('What the model wrote: `{{sample.output_text}}`, and `{{sample.output_json}}` where it is JSON.'),
  item: v.optional(v.nullable(jsonObject("The dataset's row: `{{item.…}}`."))),
})
export const validateGraderRequest = object({ grader })
export const validateGraderAnswer = object({ grader: jsonObject('The grader as it was given.') })

/** What can go wrong in a grader; in a result each says whether it did. */
export const GRADER_ERRORS = [
  'formula_parse_error', 'sample_parse_error', 'truncated_observation_error', 'unresponsive_reward_error',
  'invalid_variable_error', 'other_error', 'python_grader_server_error', 'python_grader_runtime_error',
  'model_grader_server_error', 'model_grader_refusal_error', 'model_grader_parse_error',
] as const // prettier-ignore
export type GraderError = (typeof GRADER_ERRORS)[number]

const numbersByName = record(v.number())
export const runGraderAnswer = object({
  reward: v.pipe(
    v.number(),
    v.description('The grade. 0 where one of `metadata.errors` is true: it then means nothing.'),
  ),
  metadata: object({
    name: v.string(),
    type: v.string(),
    execution_time: v.pipe(v.number(), v.description('In seconds.')),
    token_usage: v.nullable(v.number()),
    sampled_model_name: v.nullable(v.string()),
    scores: numbersByName,
    errors: object({
      ...(Object.fromEntries(GRADER_ERRORS.map((name) => [name, v.boolean()])) as Record<
        GraderError,
        v.BooleanSchema<undefined>
      >),
      python_grader_server_error_type: v.nullable(v.string()),
      python_grader_runtime_error_details: v.nullable(v.string()),
      model_grader_server_error_details: v.nullable(v.string()),
    }),
  }),
  sub_rewards: numbersByName,
  model_grader_token_usage_per_model: numbersByName,
})
export type RunGraderAnswer = v.InferOutput<typeof runGraderAnswer>
