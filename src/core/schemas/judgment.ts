/** P(Yes) of a judge for answers to questions. */
import * as v from 'valibot'
import { fields, list, MAX_ITEMS, message, reference, text } from './fields.ts'

export const judgmentItem = v.pipe(
  fields({
    question: v.optional(text('What was asked.')),
    answer: v.optional(text('The answer to judge.')),
    reference: v.optional(text('The answer known to be right, for judges whose template shows one.')),
    messages: v.optional(
      v.pipe(
        list(message, 2, 256),
        v.description('A conversation instead: its last message, of the assistant, is the answer.'),
      ),
    ),
  }),
  v.check(
    (item) =>
      item.messages === undefined
        ? item.question !== undefined && item.answer !== undefined
        : item.question === undefined && item.answer === undefined,
    'must hold either `question` and `answer`, or `messages`',
  ),
  v.forward(
    v.check(
      (item) => item.messages === undefined || item.messages.at(-1)?.role === 'assistant',
      "must end with the assistant's message: that is the answer to judge",
    ),
    ['messages'],
  ),
)
export type JudgmentItem = v.InferOutput<typeof judgmentItem>

export const judgmentsRequest = fields({
  judge: reference('A judge, by id or name.'),
  items: list(judgmentItem, 1, MAX_ITEMS),
})

const tokens = v.object({ prompt: v.nullable(v.number()), completion: v.nullable(v.number()) })
const member = v.object({
  judge: v.string(),
  outcome: v.picklist(['scored', 'abstained', 'failed']),
  probability: v.nullable(v.number()),
})
/** What every outcome tells of the asking. */
const asking = {
  tokens: v.pipe(
    tokens,
    v.description('Spent on this item: none where it is cached; null where the provider’s counts are none.'),
  ),
  cost: v.pipe(
    v.nullable(v.number()),
    v.description('In US dollars, by the `price` of the judge; null where it has none.'),
  ),
  latency_ms: v.pipe(
    v.nullable(v.number()),
    v.description('Of the provider; null where it was not asked or gave no answer.'),
  ),
  members: v.optional(v.pipe(v.array(member), v.description('Of an ensemble: what each of its judges said.'))),
}

/** The three outcomes of asking a judge. Only `scored` carries a number. */
export const judgment = v.variant('outcome', [
  v.object({
    outcome: v.literal('scored'),
    reward: v.pipe(
      v.number(),
      v.description('The calibrated probability where the judge is calibrated, else the probability.'),
    ),
    probability: v.pipe(v.number(), v.description('P(Yes) / (P(Yes) + P(No)), in [0, 1], before any calibration.')),
    calibrated_probability: v.pipe(v.nullable(v.number()), v.description('Null where the judge is not calibrated.')),
    label_mass: v.pipe(v.number(), v.description('P(Yes) + P(No), in [0, 1].')),
    entropy: v.pipe(v.number(), v.description('Of the probability, in nats: 0 certain, 0.693 a toss-up.')),
    cached: v.boolean(),
    ...asking,
  }),
  v.object({
    outcome: v.literal('abstained'),
    reward: v.null(),
    probability: v.null(),
    label_mass: v.nullable(v.number()),
    cached: v.boolean(),
    reason: v.string(),
    ...asking,
  }),
  v.object({
    outcome: v.literal('failed'),
    reward: v.null(),
    probability: v.null(),
    label_mass: v.null(),
    cached: v.boolean(),
    reason: v.string(),
    ...asking,
  }),
])
export type Judgment = v.InferOutput<typeof judgment>

export const judgmentsAnswer = v.object({
  object: v.literal('list'),
  data: v.array(judgment),
  has_more: v.literal(false),
  judge: v.string(),
  agreement: v.pipe(
    v.optional(v.object({ items: v.number(), same_verdict: v.nullable(v.number()), alpha: v.nullable(v.number()) })),
    v.description(
      'Of an ensemble, over the items that all of its judges scored: the share on which all are on one side of 0.5, and ' +
        "Krippendorff's alpha of their probabilities.",
    ),
  ),
})
export type JudgmentsAnswer = v.InferOutput<typeof judgmentsAnswer>
