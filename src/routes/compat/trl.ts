/** A whole batch with its dataset's columns, as TRL's reward functions get it; also for whatever calls a Python function. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { chatMessages } from '../../core/schemas/chat.ts'
import { fields, list, object, record, shortText, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { promptItem } from './chat-text.ts'
import { DIALECT, findReward, goldOf, labelled, rewardTogether } from './dialect.ts'

const finishReason = v.nullable(v.picklist(['stop', 'length']))
const texts = list(v.union([text('Text.'), chatMessages]), 0, 4096)
const request = object({
  prompts: v.pipe(texts, v.description('Texts, or conversations.')),
  completions: v.pipe(texts, v.description("Texts, or the assistant's messages. As many as prompts.")),
  columns: v.optional(
    v.pipe(record(list(v.unknown(), 0, 4096)), v.description("The dataset's other columns, a value a prompt.")),
    {},
  ),
  finish_reasons: v.optional(
    v.nullable(
      v.pipe(
        list(finishReason, 0, 4096),
        v.description(
          'How each completion ended: `length` is cut off by the token limit, which the gate refuses. Null: not known.',
        ),
      ),
    ),
  ),
})

const result = object({
  reward: v.pipe(v.nullable(v.number()), v.description('Null where there is none: TRL leaves the row out.')),
  p: v.pipe(v.nullable(v.number()), v.description("The judge's P(Yes), where it was asked and answered.")),
  outcome: v.picklist(['scored', 'abstained', 'failed']),
  reason: v.nullable(v.string()),
})

export const trlRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/trl/:reward',
    operationId: 'trlRewards',
    summary: 'Rewards for a TRL reward function',
    description:
      'For the reward function in examples/trl.py, and for other trainers that call a Python function. `reward` is a ' +
      'recipe or a judge. Rows without a score have the reward null, never a number.',
    query: fields({
      answer: v.optional(shortText('Which column holds the gold answers. Default `answer`, where there is one.', 128)),
    }),
    body: request,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      prompts: [[{ role: 'user', content: 'What is 2 + 3?' }]],
      completions: [[{ role: 'assistant', content: 'It is 5.' }]],
      columns: { answer: ['5'] },
    },
    response: object({ results: v.array(result) }),
    async handler(context) {
      const { prompts, completions, columns, finish_reasons: finished } = context.body
      const recipe = await findReward(context, context.params.reward)
      if (completions.length !== prompts.length) {
        const message = `There are ${prompts.length} \`prompts\` and ${completions.length} \`completions\`; give one completion for each prompt.`
        throw new GavelError('unprocessable', message, { param: 'completions' })
      }
      if (finished && finished.length !== completions.length) {
        const message = `There are ${completions.length} \`completions\` and ${finished.length} \`finish_reasons\`; give one for each completion, or none at all.`
        throw new GavelError('unprocessable', message, { param: 'finish_reasons' })
      }
      const column = `columns.${context.query.answer ?? 'answer'}`
      const golds = goldColumn(columns, context.query.answer, prompts.length)
      const items = await context.work.map(
        prompts,
        (i) => `prompts[${i}]`,
        (prompt, i) => {
          const item = promptItem(prompt, completions[i]!)
          return {
            prompt: item.question,
            completion: item.answer,
            ...(finished?.[i] && { finish_reason: finished[i] }),
            ...labelled(goldOf(golds[i], `${column}[${i}]`, recipe)),
          }
        },
      )
      const results = await rewardTogether(context, recipe, items, (i) => `${column}[${i}]`)
      return {
        results: results.map(({ reward, terms, outcome, reason }) => ({
          reward,
          p: terms.judge ?? null,
          outcome,
          reason: reason ?? null,
        })),
      }
    },
  }),
]

/** @throws GavelError `unprocessable` when the column that was named is missing, or of another length */
function goldColumn(columns: Record<string, unknown[]>, named: string | undefined, rows: number): unknown[] {
  const name = named ?? 'answer'
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined
  if (column?.length === rows || (column === undefined && named === undefined)) return column ?? []
  const message =
    column === undefined
      ? `\`columns\` has no ${JSON.stringify(name)}, which the URL names as the column of gold answers.`
      : `\`columns.${name}\` has ${column.length} values and there are ${rows} prompts; give one for each.`
  throw new GavelError('unprocessable', message, { param: `columns.${name}` })
}
