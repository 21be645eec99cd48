/** What an answer must be, as OpenAI's and vLLM's clients say it. */
import * as v from 'valibot'
import type { Json } from './json-grammar.ts'
import { wellFormed } from './request-field.ts'

const json = v.custom<Json>((value) => value !== undefined, 'is missing; give it')
export const answerFormat = v.variant(
  'type',
  [
    v.strictObject({ type: v.literal('text') }),
    v.strictObject({ type: v.literal('json_object') }),
    v.strictObject({
      type: v.literal('json_schema'),
      json_schema: v.strictObject({
        name: v.nullish(v.string()),
        description: v.nullish(v.string()),
        schema: json,
        strict: v.nullish(v.boolean()),
      }),
    }),
  ],
  'must be "text", "json_object" or "json_schema": no other format is supported here',
)

/** vLLM's form of the same; one of the three. */
export const structuredOutputs = v.pipe(
  v.strictObject(
    {
      json: v.nullish(json),
      json_object: v.nullish(v.boolean()),
      choice: v.nullish(
        v.pipe(v.array(v.pipe(v.string(), v.minLength(1), wellFormed)), v.minLength(1), v.maxLength(1000)),
      ),
    },
    (issue) =>
      issue.expected === 'never'
        ? 'is not supported here; known are json, json_object and choice'
        : 'must be a JSON object with json, json_object or choice',
  ),
  v.check(
    ({ json, json_object: object, choice }) => [json, object || null, choice].filter((one) => one != null).length <= 1,
    'must have one of json, json_object and choice',
  ),
)
