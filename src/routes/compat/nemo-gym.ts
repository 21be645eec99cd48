/** NeMo-Gym: a resources server. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { mean } from '../../core/moments.ts'
import { chatMessage } from '../../core/schemas/chat.ts'
import { list, looseObject, object, record, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { contentText, promptItem } from './chat-text.ts'
import { DIALECT, findReward, goldOf, labelled, rewardOne } from './dialect.ts'

const inputItem = looseObject({ role: v.optional(v.string()), content: v.optional(chatMessage.entries.content) })
const verifyRequest = looseObject({
  responses_create_params: looseObject({
    input: v.union([text('What the model was asked.'), list(inputItem, 0, 4096)]),
    instructions: v.nullish(text('Of the system.')),
  }),
  response: looseObject({
    output: list(
      looseObject({
        type: v.optional(v.string()),
        role: v.optional(v.string()),
        content: v.optional(chatMessage.entries.content),
      }),
      0,
      4096,
    ),
    incomplete_details: v.nullish(looseObject({ reason: v.nullish(v.string()) })),
  }),
  expected_answer: v.optional(v.unknown()),
})

const verifyAnswer = looseObject({
  reward: v.pipe(v.number(), v.description('0 for a row without a score, which `_ng_failure_class` then marks.')),
  reward_components: record(v.number()),
  mask_sample: v.pipe(v.boolean(), v.description('Whether the reward means nothing.')),
  _ng_failure_class: v.optional(v.literal('judge_failed')),
  _ng_failure_judge_error: v.optional(v.string()),
})

const metrics = record(v.number())

const path = <const Name extends string>(name: Name) => `/compat/nemo-gym/:reward/${name}` as const

export const nemoGymRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: path('verify'),
    operationId: 'nemoGymVerify',
    summary: 'A reward for NeMo-Gym',
    description:
      'A resources server at `/compat/nemo-gym/{reward}`, a recipe or a judge. The gold answer is `expected_answer`. What ' +
      'was sent comes back with `reward` and its components; a row without a score has the reward 0, `mask_sample` and ' +
      '`_ng_failure_class`.',
    body: verifyRequest,
    items: () => 1,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      responses_create_params: { input: [{ role: 'user', content: 'What is 2 + 3?' }] },
      response: {
        output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'It is 5.' }] }],
      },
      expected_answer: '5',
    },
    response: verifyAnswer,
    async handler(context) {
      const { body } = context
      const recipe = await findReward(context, context.params.reward)
      const item = { ...itemOf(body), ...labelled(goldOf(body.expected_answer, 'expected_answer', recipe)) }
      const { outcome, reward, terms, reason } = await rewardOne(context, recipe, item, 'expected_answer')
      const components = {
        ...(terms.verifier !== undefined && { verifier_reward: terms.verifier }),
        ...(terms.judge !== undefined && { judge_reward: terms.judge }),
      }
      return {
        ...withoutVerdict(body),
        // Metrics do not look into the mapping, so its parts stand beside it too.
        ...components,
        reward: reward ?? 0,
        reward_components: components,
        mask_sample: reward === null,
        ...(reward === null && {
          _ng_failure_class: 'judge_failed',
          _ng_failure_judge_error: `${outcome}: ${reason}`,
        }),
      }
    },
  }),
  ...(['seed_session', 'close_session'] as const).map((name) =>
    route({
      ...DIALECT,
      method: 'POST',
      path: path(name),
      operationId: name === 'seed_session' ? 'nemoGymSeedSession' : 'nemoGymCloseSession',
      summary: name === 'seed_session' ? 'Begin a rollout of NeMo-Gym' : 'End a rollout of NeMo-Gym',
      description: 'Nothing is kept between requests.',
      body: looseObject({}),
      example: {},
      response: object({}),
      handler: async () => ({}),
    }),
  ),
  route({
    ...DIALECT,
    method: 'POST',
    path: path('aggregate_metrics'),
    operationId: 'nemoGymAggregateMetrics',
    summary: 'Sum up what NeMo-Gym verified',
    description: 'Means over the rows that are not masked, of all and by task, and the share that is masked.',
    body: object({ verify_responses: list(record(v.unknown()), 0, 100_000) }),
    // They are summed up, not scored.
    items: () => 1,
    maxBytes: MAX_BATCH_BYTES,
    example: { verify_responses: [{ _ng_task_index: 0, reward: 1 }] },
    response: object({
      group_level_metrics: v.array(metrics),
      agent_metrics: metrics,
      key_metrics: metrics,
    }),
    async handler({ body: { verify_responses: rows } }) {
      const tasks = Map.groupBy(rows, (row) => row._ng_task_index)
      tasks.delete(undefined)
      const agent_metrics = summaryOf(rows)
      return {
        group_level_metrics: [...tasks].map(([task, of]) => ({
          ...(typeof task === 'number' && { _ng_task_index: task }),
          ...summaryOf(of),
        })),
        agent_metrics,
        key_metrics: 'mean/reward' in agent_metrics ? { 'mean/reward': agent_metrics['mean/reward'] } : {},
      }
    },
  }),
  route({
    ...DIALECT,
    method: 'GET',
    path: path('reverify_mode'),
    operationId: 'nemoGymReverifyMode',
    summary: 'Whether NeMo-Gym may verify again',
    response: v.literal('stateless'),
    handler: async () => 'stateless',
  }),
]

/** What was said of a row that is verified again must not stand beside what is said now. */
function withoutVerdict(row: Record<string, unknown>): Record<string, unknown> {
  const said = ['verifier_reward', 'judge_reward', '_ng_failure_class', '_ng_failure_judge_error', 'failure_reason']
  return Object.fromEntries(Object.entries(row).filter(([name]) => !said.includes(name)))
}

/** The last thing said before is the question; the assistant's texts in the response are the answer. */
function itemOf({ responses_create_params: { input, instructions }, response }: v.InferOutput<typeof verifyRequest>) {
  const written = response.output.filter(
    ({ type = 'message', role = 'assistant' }) => type === 'message' && role === 'assistant',
  )
  const completion = written.map(({ content }) => contentText(content)).join('\n')
  const said = typeof input === 'string' ? [{ role: 'user', content: input }] : input
  const messages = said.flatMap(({ role, content }) => (role === undefined ? [] : [{ role, content }]))
  if (messages.length === 0) {
    const message =
      '`responses_create_params.input` has no message, so there is no question; give the one that was asked.'
    throw new GavelError('unprocessable', message, { param: 'responses_create_params.input' })
  }
  const system = instructions ? [{ role: 'system', content: instructions }] : []
  const { question, answer } = promptItem([...system, ...messages], completion)
  const cut = response.incomplete_details?.reason === 'max_output_tokens'
  return { prompt: question, completion: answer, ...(cut && { finish_reason: 'length' as const }) }
}

/** Means of the numbers that rows have; those of masked rows mean nothing. */
function summaryOf(rows: readonly Record<string, unknown>[]): Record<string, number> {
  const counted = rows.filter(({ mask_sample }) => mask_sample !== true)
  const names = new Set(counted.flatMap((row) => Object.keys(row).filter((name) => typeof row[name] === 'number')))
  names.delete('_ng_task_index')
  names.delete('_ng_rollout_index')
  const means = [...names].map((name) => [
    `mean/${name}`,
    mean(counted.map((row) => row[name]).filter((value) => typeof value === 'number')),
  ])
  return {
    ...(Object.fromEntries(means) as Record<string, number>),
    ...(rows.length > 0 && { 'mean/mask_sample': (rows.length - counted.length) / rows.length }),
  }
}
