/** A reward recipe r = λ·V + μ·J + ρ·R, and its use on rows. */
import * as v from 'valibot'
import { boolean, fields, MAX_ITEMS, name, number, reference, text, unixSeconds, version } from './fields.ts'
import { verifierSpec } from './verify.ts'

const recipeEntries = {
  lambda: v.optional(number(0, 1000, 'λ, weight of the verifier (labelled rows only). Default 1.'), 1),
  mu: v.optional(number(0, 1000, 'μ, weight of the judge (any row). Default 0.'), 0),
  rho: v.optional(number(0, 0, 'ρ, weight of the reranker. Only 0 for now: there is no reranker yet.'), 0),
  verifier: v.optional(verifierSpec),
  judge: v.optional(reference('The judge, by id or name. Needed where mu > 0.')),
  normalise: v.optional(
    v.pipe(
      v.picklist(['row', 'none']),
      v.description('`row`: weights are divided by the sum of those that apply to the row; `none`: taken as given.'),
    ),
    'row',
  ),
  gate: v.optional(
    boolean('Whether an answer must first parse, be more than trivial and end properly; else it gets 0 unjudged.'),
    true,
  ),
}

/** The rules between a recipe's fields. */
const weightsAreMet = <T extends { lambda: number; mu: number; verifier?: unknown; judge?: string }>() =>
  v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const { lambda, mu, verifier, judge } = dataset.value
    const at = (key: 'lambda' | 'verifier' | 'judge') =>
      [
        { type: 'object' as const, origin: 'value' as const, input: dataset.value, key, value: dataset.value[key] },
      ] as never
    if (lambda + mu === 0)
      addIssue({ message: 'and mu are both 0: weigh the verifier or the judge above 0', path: at('lambda') })
    else if (mu > 0 && judge === undefined)
      addIssue({ message: 'is missing: mu > 0 weighs a judge; name one, or set mu to 0', path: at('judge') })
    else if (lambda > 0 && verifier === undefined)
      addIssue({
        message: 'is missing: lambda > 0 weighs a verifier; name one, or set lambda to 0',
        path: at('verifier'),
      })
  })

export const rewardRecipe = v.pipe(fields(recipeEntries), weightsAreMet())
export type RewardRecipe = v.InferOutput<typeof rewardRecipe>

/** Of training jobs. */
export const allowFailedAudit = v.optional(
  reference("The recipe's judge, by id or name: to be trained on although its audit says that it is easily fooled."),
)

/** A recipe as a resource (`reward_…`), for use by id or name. */
export const createRecipe = v.pipe(fields({ name: v.optional(name), ...recipeEntries }), weightsAreMet())

export const recipe = v.object({
  id: v.string(),
  object: v.literal('reward'),
  name: v.nullable(v.string()),
  version,
  created_at: unixSeconds,
  ...recipeEntries,
})
export type Recipe = v.InferOutput<typeof recipe>

export const rewardItem = fields({
  prompt: text('What the model was asked.'),
  completion: text('What the model wrote.'),
  answer: v.optional(text('Gold. A row with one is labelled.')),
  finish_reason: v.optional(
    v.pipe(
      v.picklist(['stop', 'length']),
      v.description('`length`: cut off by the token limit, which the gate refuses. Default `stop`.'),
    ),
    'stop',
  ),
})
export type RewardItem = v.InferOutput<typeof rewardItem>

export const rewardsRequest = fields({
  reward: v.union([reference('A recipe, by id or name.'), rewardRecipe]),
  items: v.pipe(v.array(rewardItem), v.minLength(1), v.maxLength(MAX_ITEMS)),
})
export type RewardsRequest = v.InferOutput<typeof rewardsRequest>

/** What became of a row. Only `scored` carries a number. */
export const rowReward = v.object({
  outcome: v.picklist(['scored', 'abstained', 'failed']),
  reward: v.nullable(v.number()),
  terms: v.object({
    verifier: v.optional(
      v.pipe(v.number(), v.description('1 correct, 0.1 a well-formed number but wrong, 0 no answer.')),
    ),
    judge: v.optional(v.pipe(v.number(), v.description('P(Yes) in [0, 1].'))),
    gate: v.optional(v.picklist(['passed', 'empty', 'trivial', 'truncated', 'no_answer'])),
  }),
  reason: v.optional(v.string()),
})
export const rewardsAnswer = v.object({
  object: v.literal('list'),
  data: v.array(rowReward),
  has_more: v.literal(false),
})
