/** OpenRLHF: `--reward.remote_url`. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { splitAtPrompt, splitTranscript } from '../../core/judges/split-transcript.ts'
import { list, object, rollout, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { DIALECT, findReward, goldOf, labelled, neutralOnly, neutralReward, rewardTogether } from './dialect.ts'

const request = object({
  query: v.pipe(
    list(rollout('Prompt and response as decoded, control tokens and all.'), 0, 4096),
    v.description('May be empty: with several URLs, all but one get nothing to do.'),
  ),
  prompts: v.nullish(list(text('What of the query is the prompt.'), 0, 4096)),
  labels: v.nullish(list(v.unknown(), 0, 4096)),
})

const numbers = v.array(v.number())
const answer = object({
  rewards: numbers,
  scores: numbers,
  extra_logs: object({ scored: numbers, abstained: numbers, failed: numbers, gated: numbers }),
})

export const openRlhfRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/openrlhf/:reward',
    operationId: 'openRlhfRewards',
    summary: 'Rewards for OpenRLHF',
    description:
      'For `--reward.remote_url`. `reward` is a recipe or a judge. OpenRLHF knows only numbers: a row without a score gets ' +
      '`neutral`, and `extra_logs` says how many there were; a failing judge is never an HTTP error.',
    query: neutralOnly,
    body: request,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      query: ['<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\nIt is 5.<|im_end|>'],
      prompts: ['<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n'],
      labels: ['5'],
    },
    response: answer,
    async handler(context) {
      const { body, params, query } = context
      const recipe = await findReward(context, params.reward)
      for (const field of body.query.length === 0 ? [] : (['prompts', 'labels'] as const)) {
        const length = body[field]?.length ?? body.query.length
        if (length === body.query.length) continue
        const message = `\`${field}\` has ${length} entries and \`query\` ${body.query.length}; give one for each query.`
        throw new GavelError('unprocessable', message, { param: field })
      }
      const items = await context.work.map(
        body.query,
        (i) => `query[${i}]`,
        (whole, i) => {
          const { question, answer } = readQuery(whole, body.prompts?.[i], i)
          return { prompt: question, completion: answer, ...labelled(goldOf(body.labels?.[i], `labels[${i}]`, recipe)) }
        },
      )
      const results = await rewardTogether(context, recipe, items, (i) => `labels[${i}]`)
      const neutral = neutralReward(recipe, query)
      const rewards = results.map(({ reward }) => reward ?? neutral)
      const flags = (is: (result: (typeof results)[number]) => boolean) => results.map((result) => (is(result) ? 1 : 0))
      return {
        rewards,
        scores: rewards,
        extra_logs: {
          scored: flags(({ outcome }) => outcome === 'scored'),
          abstained: flags(({ outcome }) => outcome === 'abstained'),
          failed: flags(({ outcome }) => outcome === 'failed'),
          gated: flags(({ reason }) => reason === 'gated'),
        },
      }
    },
  }),
]

function readQuery(whole: string, prompt: string | undefined, i: number) {
  const item = (prompt === undefined ? null : splitAtPrompt(whole, prompt)) ?? splitTranscript(whole)
  if (item) return item
  const message = `\`query[${i}]\` does not begin with \`prompts[${i}]\`, and has no turn of an assistant that is known here, so the answer in it cannot be told from the prompt. Send \`prompts\` as OpenRLHF does.`
  throw new GavelError('unprocessable', message, { param: `query[${i}]` })
}
