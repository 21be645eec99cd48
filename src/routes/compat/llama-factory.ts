/** LLaMA-Factory: `reward_model_type: api`. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { splitTranscript } from '../../core/judges/split-transcript.ts'
import { list, object, rollout } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { DIALECT, findReward, neutralOnly, neutralReward, rewardTogether } from './dialect.ts'

const request = object({
  model: v.optional(v.string()),
  messages: v.pipe(
    list(rollout('A whole chat as decoded, control tokens and all.'), 0, 4096),
    v.description('The answer is what follows the first turn of the assistant.'),
  ),
})

export const llamaFactoryRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/llama-factory/:reward',
    operationId: 'llamaFactoryRewards',
    summary: 'Rewards for LLaMA-Factory',
    description:
      'For `reward_model` with `reward_model_type: api`. `reward` is a recipe or a judge; there are no gold answers in this ' +
      'dialect. A row without a score gets `neutral`: LLaMA-Factory knows only numbers.',
    query: neutralOnly,
    body: request,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      model: 'model',
      messages: ['<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\nIt is 5.<|im_end|>'],
    },
    response: object({ scores: v.array(v.number()) }),
    async handler(context) {
      const recipe = await findReward(context, context.params.reward)
      const items = await context.work.map(
        context.body.messages,
        (i) => `messages[${i}]`,
        (whole, i) => {
          const item = splitTranscript(whole)
          if (item) return { prompt: item.question, completion: item.answer }
          const message = `\`messages[${i}]\` has no turn of an assistant that is known here, so the answer in it cannot be told from the question. Use a chat template with markers, such as ChatML's or Llama 3's.`
          throw new GavelError('unprocessable', message, { param: `messages[${i}]` })
        },
      )
      const results = await rewardTogether(context, recipe, items, (i) => `messages[${i}]`)
      const neutral = neutralReward(recipe, context.query)
      return { scores: results.map(({ reward }) => reward ?? neutral) }
    },
  }),
]
