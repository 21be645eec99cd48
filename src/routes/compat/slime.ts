/** slime: `--rm-type remote_rm --rm-url`. */
import * as v from 'valibot'
import { plainTranscript } from '../../core/judges/split-transcript.ts'
import { chatMessages } from '../../core/schemas/chat.ts'
import { fields, object, record, rollout, shortText, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { promptItem } from './chat-text.ts'
import { DIALECT, findReward, goldOf, labelled, neutralQuery, neutralReward, rewardOne } from './dialect.ts'

const request = object({
  prompt: v.union([text('What the model was asked.'), chatMessages]),
  response: rollout('What the model wrote.'),
  label: v.optional(v.unknown()),
})

const answer = v.union([
  v.pipe(v.number(), v.description('The reward. Without `reward_key`.')),
  v.pipe(record(v.unknown()), v.description('The reward under `reward_key`, its `outcome` and `reason`.')),
])

export const slimeRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/slime/:reward',
    operationId: 'slimeReward',
    summary: 'A reward for slime',
    description:
      'For `--rm-url`. `reward` is a recipe or a judge. The answer is a bare number; with `?reward_key=K` in the URL, ' +
      'an object for `--reward-key K`. A row without a score gets `neutral`.',
    query: fields({
      ...neutralQuery,
      reward_key: v.optional(shortText('What `--reward-key` says: the answer is then an object.', 64)),
    }),
    body: request,
    items: () => 1,
    maxBytes: MAX_BATCH_BYTES,
    example: { prompt: 'What is 2 + 3?', response: 'It is 5.', label: '5' },
    response: answer,
    async handler(context) {
      const { body, params, query } = context
      const recipe = await findReward(context, params.reward)
      // slime decodes with control tokens.
      const { question, answer } = promptItem(body.prompt, plainTranscript(body.response))
      const item = { prompt: question, completion: answer, ...labelled(goldOf(body.label, 'label', recipe)) }
      const { reward, outcome, ...rest } = await rewardOne(context, recipe, item, 'label')
      const number = reward ?? neutralReward(recipe, query)
      if (query.reward_key === undefined) return number
      return { outcome, reason: rest.reason ?? null, [query.reward_key]: number }
    },
  }),
]
