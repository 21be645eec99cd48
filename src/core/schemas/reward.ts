/** A reward recipe r = λ·V + μ·J + ρ·R, and its use on rows. */
import * as v from 'valibot'
import {
  boolean,
  fields,
  gold,
  integer,
  jsonObject,
  list,
  MAX_ITEMS,
  name,
  number,
  reference,
  sha256,
  shortText,
  text,
  unixSeconds,
  version,
} from './fields.ts'
import { verifierSpec } from './verify.ts'

export const rewardControl = fields({
  kind: v.pipe(
    v.picklist(['random', 'shuffled']),
    v.description(
      '`random`: scores drawn uniformly in place of the judge’s, which is not asked; `shuffled`: the judge’s scores, ' +
        'dealt out anew among the rows of a request or step.',
    ),
  ),
  seed: v.optional(integer(0, Number.MAX_SAFE_INTEGER, 'Default 0.'), 0),
})
export type RewardControl = v.InferOutput<typeof rewardControl>

const recipeEntries = {
  lambda: v.optional(
    number(0, 1000, 'λ, weight of the verifier (labelled rows only). Default 1 where a verifier is named, else 0.'),
  ),
  mu: v.optional(
    number(
      0,
      1000,
      'μ, weight of the judge (any row). Default 1 where a judge is named and no weight is given, else 0.',
    ),
  ),
  rho: v.optional(
    number(
      0,
      1000,
      'ρ, weight of the reranker (any row). Default 1 where one is named and no weight is given, else 0.',
    ),
  ),
  verifier: v.optional(verifierSpec),
  judge: v.optional(reference('The judge, by id or name. Needed where mu > 0.')),
  reranker: v.optional(
    reference('The reranker, by id or name: a judge of provider `rerank`, or any second judge. Needed where rho > 0.'),
  ),
  routing: v.optional(
    v.pipe(
      v.picklist(['all', 'split']),
      v.description(
        '`all`: every term on every row that it applies to; `split`: the verifier alone on labelled rows, judge and ' +
          'reranker alone on the others. Default all.',
      ),
    ),
  ),
  overlap: v.optional(
    number(0, 1, 'With `split`, the share of labelled questions that are judged too, to know how far. Default 0.'),
  ),
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
  clip: v.optional(
    v.pipe(
      fields({ min: number(-1e6, 1e6, 'Least reward.'), max: number(-1e6, 1e6, 'Greatest reward.') }),
      v.check(({ min, max }) => min < max, 'must have `min` below `max`'),
    ),
  ),
  pseudo_labels: v.optional(
    v.pipe(
      fields({
        min_share: v.optional(number(0, 1, 'Least share of the group that states the answer. Default 0.5.'), 0.5),
      }),
      v.description(
        'Takes the answer that most of a group’s rows state, compared by value, as gold for those without one: a ' +
          'majority of at least two, without a tie.',
      ),
    ),
  ),
  control: v.optional(v.pipe(rewardControl, v.description('For experiments: a judge that knows nothing.'))),
}

interface Named {
  lambda?: number | undefined
  mu?: number | undefined
  rho?: number | undefined
  verifier?: unknown
  judge?: string | undefined
  reranker?: string | undefined
}

/** Where no weight is given, whoever is named weighs 1; a verifier that is named does in any case. */
const withWeights = <T extends Named>() =>
  v.transform((recipe: T) => {
    const { lambda, mu, rho, verifier, judge, reranker } = recipe
    const isOpen = (lambda ?? mu ?? rho) === undefined
    const weight = (named: unknown) => (named === undefined ? 0 : 1)
    return {
      ...recipe,
      lambda: lambda ?? weight(verifier),
      mu: mu ?? (isOpen ? weight(judge) : 0),
      rho: rho ?? (isOpen ? weight(reranker) : 0),
    }
  })

/** The rules between a recipe's fields. */
const weightsAreMet = <
  T extends {
    lambda: number
    mu: number
    rho: number
    verifier?: unknown
    judge?: string
    reranker?: string
    routing?: string
    pseudo_labels?: object
    control?: RewardControl
  },
>() =>
  v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const { lambda, mu, rho, verifier, judge, reranker, routing, pseudo_labels, control } = dataset.value
    const asks = control?.kind !== 'random'
    const at = (key: 'lambda' | 'verifier' | 'judge' | 'reranker' | 'routing' | 'pseudo_labels') =>
      [
        { type: 'object' as const, origin: 'value' as const, input: dataset.value, key, value: dataset.value[key] },
      ] as never
    if (lambda + mu + rho === 0)
      addIssue({ message: 'is 0, and so are mu and rho: weigh one of them above 0', path: at('lambda') })
    else if (routing === 'split' && (lambda === 0 || mu + rho === 0))
      addIssue({
        message: 'is `split`, which needs lambda > 0 for labelled rows and mu > 0 or rho > 0 for the others',
        path: at('routing'),
      })
    else if (pseudo_labels && verifier === undefined)
      addIssue({ message: 'need a verifier to compare answers with; name one', path: at('pseudo_labels') })
    else if (rho > 0 && reranker === undefined && asks)
      addIssue({ message: 'is missing: rho > 0 weighs a reranker; name one, or set rho to 0', path: at('reranker') })
    else if (mu > 0 && judge === undefined && asks)
      addIssue({ message: 'is missing: mu > 0 weighs a judge; name one, or set mu to 0', path: at('judge') })
    else if (lambda > 0 && verifier === undefined)
      addIssue({
        message: 'is missing: lambda > 0 weighs a verifier; name one, or set lambda to 0',
        path: at('verifier'),
      })
  })

export const rewardRecipe = v.pipe(fields(recipeEntries), withWeights(), weightsAreMet())
export type RewardRecipe = v.InferOutput<typeof rewardRecipe>

/** Of training jobs. */
export const allowFailedAudit = v.optional(
  reference(
    "The recipe's judge (or reranker), by id or name: to be trained on although its audit says that it is easily fooled.",
  ),
)

/** A recipe as a resource (`reward_…`), for use by id or name. */
export const createRecipe = v.pipe(fields({ name: v.optional(name), ...recipeEntries }), withWeights(), weightsAreMet())

export const recipe = v.object({
  id: v.string(),
  object: v.literal('reward'),
  name: v.nullable(v.string()),
  version,
  created_at: unixSeconds,
  ...recipeEntries,
  lambda: v.number(),
  mu: v.number(),
  rho: v.number(),
})
export type Recipe = v.InferOutput<typeof recipe>

export const rewardItem = fields({
  prompt: text('What the model was asked.'),
  completion: text('What the model wrote.'),
  answer: v.pipe(
    v.nullish(gold('Gold. A row with one is labelled.')),
    v.transform((answer) => answer ?? undefined),
  ),
  group: v.optional(
    shortText(
      'Which rows answer the same question; by default those with the same prompt. For advantages and majorities.',
      128,
    ),
  ),
  finish_reason: v.optional(
    v.pipe(
      v.picklist(['stop', 'length']),
      v.description('`length`: cut off by the token limit, which the gate refuses. Default `stop`.'),
    ),
  ),
})
export type RewardItem = v.InferOutput<typeof rewardItem>

export const rewardsRequest = fields({
  reward: v.union([reference('A recipe, by id or name; or a judge, for its judgment alone.'), rewardRecipe]),
  items: list(rewardItem, 1, MAX_ITEMS),
  advantage: v.optional(
    v.pipe(
      v.picklist(['group', 'group_mean', 'leave_one_out']),
      v.description(
        'Also each reward against the rest of its group, by the names of jobs: less the mean over the standard deviation ' +
          '(`group`, as GRPO), less the mean (`group_mean`, as Dr. GRPO), less the mean of the others (`leave_one_out`, as RLOO).',
      ),
    ),
  ),
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
    reranker: v.optional(v.pipe(v.number(), v.description('In [0, 1].'))),
    gate: v.optional(v.picklist(['passed', 'empty', 'trivial', 'truncated', 'no_answer'])),
    pseudo_label: v.optional(
      v.pipe(v.string(), v.description('What the majority of the group answered, taken as gold.')),
    ),
  }),
  advantage: v.optional(
    v.pipe(v.nullable(v.number()), v.description('Where that was asked for; null without a reward.')),
  ),
  reason: v.optional(v.string()),
})

export const receipt = fields({
  created_at: unixSeconds,
  sha256,
  hmac: v.pipe(
    v.nullable(v.pipe(v.string(), v.regex(/^[\w-]{43}$/, 'must be 43 letters of base64url'))),
    v.description('HMAC-SHA-256 in base64url; null where the server has no GAVEL_SECRET_KEY.'),
  ),
})
export type Receipt = v.InferOutput<typeof receipt>

const share = (description: string) => v.pipe(v.nullable(v.number()), v.description(description))

export const overlap = v.object({
  n: v.pipe(v.number(), v.description('Rows whose gold and whose judgment are both known.')),
  accuracy: share('Where P(Yes) ≥ 0.5 is the truth.'),
  false_positive_rate: share('Wrong answers that the judge accepts, of all wrong ones.'),
  false_negative_rate: share('Right answers that the judge refuses, of all right ones.'),
  auc: share('Chance that a right answer scores above a wrong one.'),
  brier: share('Mean squared distance of P(Yes) from the truth.'),
})

export const rewardsAnswer = v.object({
  object: v.literal('list'),
  data: v.array(rowReward),
  has_more: v.literal(false),
  recipe: v.pipe(rewardRecipe, v.description('By which it was: ids in place of names, so that it can be sent again.')),
  overlap: v.pipe(overlap, v.description('How the judge agrees with the truth; nulls where that is not known.')),
  receipt: v.pipe(receipt, v.description('That this server answered so; see POST /v1/rewards/verify-receipt.')),
})

export const verifyReceiptRequest = fields({
  receipt,
  content: v.optional(
    v.pipe(
      fields({
        recipe: jsonObject('As answered.'),
        items: list(jsonObject('As sent.'), 0, MAX_ITEMS),
        data: list(jsonObject('As answered.'), 0, MAX_ITEMS),
      }),
      v.description('What it is for: the items as sent, recipe and data as answered. Without it the hash is trusted.'),
    ),
  ),
})
export const verifyReceiptAnswer = v.object({
  valid: v.boolean(),
  reason: v.nullable(v.picklist(['no_signature', 'wrong_signature', 'other_content'])),
})
