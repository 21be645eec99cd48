/** The reward functions of AWS Bedrock and SageMaker, which are Lambdas: one of a few lines hands its event on. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { parseStrictJson } from '../../core/json.ts'
import { chatMessages } from '../../core/schemas/chat.ts'
import { list, object } from '../../core/schemas/fields.ts'
import { parse } from '../../core/schemas/parse.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { conversationItem } from './chat-text.ts'
import { DIALECT, findReward, goldOf, labelled, neutralOnly, neutralReward, rewardTogether } from './dialect.ts'

const row = object({
  id: v.union([v.string(), v.number()]),
  messages: v.pipe(chatMessages, v.description('Ends with the answer, of the assistant.')),
  reference_answer: v.optional(v.unknown()),
  metadata: v.pipe(v.optional(v.unknown()), v.description('May hold the `reference_answer` in place of the row.')),
})
const rows = list(row, 0, 4096)
const direct = v.union([rows, object({ batch: rows }), object({ input: v.union([rows, row]) })])
const request = v.union([
  direct,
  object({ body: v.pipe(v.string(), v.description('One of the other forms, as JSON text.')) }),
])

const graded = object({
  id: v.string(),
  aggregate_reward_score: v.number(),
  metrics_list: v.array(object({ name: v.string(), value: v.number(), type: v.picklist(['Reward', 'Metric']) })),
})

export const awsLambdaRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/aws-lambda/:reward',
    operationId: 'awsLambdaRewards',
    summary: 'Rewards for the reward functions of Bedrock and SageMaker',
    description:
      'A Lambda hands its event on and gives back the answer. `reward` is a recipe or a judge; the gold answer is ' +
      '`reference_answer` of the row or of its `metadata`. Events with a `body` are answered with `statusCode` and a `body` of JSON text. A row without a ' +
      'score gets `neutral` and the metric `unscored` 1.',
    query: neutralOnly,
    body: request,
    items: (body) => rowsOf(body).length,
    maxBytes: MAX_BATCH_BYTES,
    example: [
      {
        id: 'r1',
        messages: [
          { role: 'user', content: 'What is 2 + 3?' },
          { role: 'assistant', content: 'It is 5.' },
        ],
        reference_answer: '5',
      },
    ],
    response: v.union([v.array(graded), object({ statusCode: v.literal(200), body: v.string() })]),
    async handler(context) {
      const { body, query } = context
      const recipe = await findReward(context, context.params.reward)
      const asked = rowsOf(body)
      const goldParam = (i: number) =>
        asked[i]!.reference_answer === undefined ? `[${i}].metadata.reference_answer` : `[${i}].reference_answer`
      const items = await context.work.map(
        asked,
        (i) => `[${i}]`,
        (row, i) => {
          const { question, answer } = conversationItem(row.messages)
          const gold = goldOf(goldIn(row), goldParam(i), recipe)
          return { prompt: question, completion: answer, ...labelled(gold) }
        },
      )
      const results = await rewardTogether(context, recipe, items, goldParam)
      const neutral = neutralReward(recipe, query)
      const answer = results.map(({ reward, terms }, i) => ({
        id: String(asked[i]!.id),
        aggregate_reward_score: reward ?? neutral,
        metrics_list: [
          ...(terms.verifier === undefined ? [] : [{ name: 'verifier', value: terms.verifier, type: 'Reward' }]),
          ...(terms.judge === undefined ? [] : [{ name: 'judge', value: terms.judge, type: 'Reward' }]),
          { name: 'unscored', value: reward === null ? 1 : 0, type: 'Metric' },
        ],
      }))
      return 'body' in body ? { statusCode: 200, body: JSON.stringify(answer) } : answer
    },
  }),
]

/** A row's gold answer, which stands beside its messages or in its metadata. */
function goldIn({ reference_answer, metadata }: v.InferOutput<typeof row>): unknown {
  if (reference_answer !== undefined || typeof metadata !== 'object' || metadata === null) return reference_answer
  return (metadata as { reference_answer?: unknown }).reference_answer
}

/** @throws GavelError `unprocessable` where `body` is not one of the other forms as text */
function rowsOf(event: v.InferOutput<typeof request>): v.InferOutput<typeof rows> {
  const given = 'body' in event ? readText(event.body) : event
  const inner = Array.isArray(given) ? given : 'batch' in given ? given.batch : given.input
  return Array.isArray(inner) ? inner : [inner]
}

/** @throws GavelError `unprocessable`: to a schema, a body is text */
function readText(text: string): v.InferOutput<typeof direct> {
  let value: unknown
  try {
    value = parseStrictJson(text)
  } catch (error) {
    if (error instanceof GavelError) throw error
    const message = '`body` is not valid JSON; give the rows as JSON text.'
    throw new GavelError('unprocessable', message, { param: 'body' })
  }
  try {
    return parse(direct, value)
  } catch (error) {
    const { message, param } = error as GavelError
    throw new GavelError('unprocessable', `In \`body\`: ${message}`, { param: param ?? 'body' })
  }
}
