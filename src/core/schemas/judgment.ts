/** P(Yes) of a judge for answers to questions. */
import * as v from 'valibot'
import { fields, MAX_ITEMS, message, reference, text } from './fields.ts'

export const judgmentItem = v.pipe(
  fields({
    question: v.optional(text('What was asked.')),
    answer: v.optional(text('The answer to judge.')),
    messages: v.optional(
      v.pipe(
        v.array(message),
        v.minLength(2),
        v.maxLength(256),
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
  items: v.pipe(v.array(judgmentItem), v.minLength(1), v.maxLength(MAX_ITEMS)),
})

/** The three outcomes of asking a judge. Only `scored` carries a number. */
export const judgment = v.variant('outcome', [
  v.object({
    outcome: v.literal('scored'),
    reward: v.pipe(v.number(), v.description('P(Yes) / (P(Yes) + P(No)), in [0, 1].')),
    probability: v.pipe(v.number(), v.description('The same, before any calibration.')),
    label_mass: v.pipe(v.number(), v.description('P(Yes) + P(No), in [0, 1].')),
    cached: v.boolean(),
  }),
  v.object({
    outcome: v.literal('abstained'),
    reward: v.null(),
    probability: v.nullable(v.number()),
    label_mass: v.nullable(v.number()),
    cached: v.boolean(),
    reason: v.string(),
  }),
  v.object({
    outcome: v.literal('failed'),
    reward: v.null(),
    probability: v.null(),
    label_mass: v.null(),
    cached: v.literal(false),
    reason: v.string(),
  }),
])
export type Judgment = v.InferOutput<typeof judgment>

export const judgmentsAnswer = v.object({
  object: v.literal('list'),
  data: v.array(judgment),
  has_more: v.literal(false),
  judge: v.string(),
})
