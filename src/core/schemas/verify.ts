/** Exact checks of what a model wrote against gold. */
import * as v from 'valibot'
import { fields, MAX_ITEMS, text } from './fields.ts'

/** The verifiers there are. `src/core/verifiers/index.ts` holds one function for each. */
export const VERIFIER_NAMES = ['math', 'exact', 'contains'] as const
export type VerifierName = (typeof VERIFIER_NAMES)[number]
export const verifierName = v.pipe(
  v.picklist(VERIFIER_NAMES),
  v.description('`math`: the last stated number; `exact`: equal text; `contains`: gold occurs in the text.'),
)

export const verifyRequest = fields({
  verifier: verifierName,
  items: v.pipe(
    v.array(
      fields({
        text: text('What the model wrote.'),
        gold: text('The answer known to be right.'),
      }),
    ),
    v.minLength(1),
    v.maxLength(MAX_ITEMS),
  ),
})
export type VerifyRequest = v.InferOutput<typeof verifyRequest>

export const verdict = v.object({
  correct: v.boolean(),
  extracted: v.pipe(v.nullable(v.string()), v.description('The answer found in the text; null when there is none.')),
  reward: v.pipe(v.number(), v.description('1 correct, 0.1 a well-formed number but wrong, 0 no answer.')),
})
export type Verdict = v.InferOutput<typeof verdict>

export const verifyAnswer = v.object({ object: v.literal('list'), data: v.array(verdict), has_more: v.literal(false) })
