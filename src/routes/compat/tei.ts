/** Text Embeddings Inference: a server of one classifier, which is a judge. */
import * as v from 'valibot'
import type { GavelError } from '../../core/errors.ts'
import { object, record, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../route.ts'
import { DIALECT } from './dialect.ts'
import { chatItem, judgeItems, pairs, probabilityOf, ranked } from './judge-texts.ts'

/** TEI's own errors. */
const ERROR_TYPES: Record<number, string> = { 413: 'Validation', 424: 'Backend', 429: 'Overloaded', 503: 'Unhealthy' }
const TEI = {
  ...DIALECT,
  errorForm: {
    schema: object({ error: v.string(), error_type: v.string() }),
    show: (error: GavelError) => ({
      error: error.message,
      error_type: ERROR_TYPES[error.status] ?? (error.status < 500 ? 'Validation' : 'Backend'),
    }),
  },
} as const

const pair = v.pipe(v.strictTuple([text('The question.'), text('The answer.')]), v.description('Question and answer.'))
const one = v.strictTuple([text('A chat with the markers of its template.')])
const sequence = v.union([text('A chat with the markers of its template.'), pair])
const predictRequest = object({
  inputs: v.union([sequence, v.pipe(v.array(v.union([one, pair])), v.maxLength(4096))]),
  raw_scores: v.optional(v.boolean(), false),
})
const prediction = v.array(object({ score: v.number(), label: v.string() }))

export const teiRoutes = [
  route({
    ...TEI,
    method: 'POST',
    path: '/compat/tei/:judge/predict',
    operationId: 'teiPredict',
    summary: 'P(Yes) as TEI predicts',
    description:
      'A TEI server at `/compat/tei/{judge}`. One class, yes, as reward models have; an item without a score has none. ' +
      '`raw_scores` gives the log-odds.',
    body: predictRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: { inputs: [['What is 2 + 3?', 'It is 5.']] },
    response: v.union([prediction, v.array(prediction)]),
    async handler(context) {
      const { inputs, raw_scores } = context.body
      const isBatch = Array.isArray(inputs) && Array.isArray(inputs[0] ?? [])
      const sequences = (isBatch ? inputs : [inputs]) as (string | [string] | [string, string])[]
      const items = sequences.map((given, i) => {
        if (typeof given !== 'string' && given.length === 2) return { question: given[0], answer: given[1] }
        return chatItem(typeof given === 'string' ? given : given[0], isBatch ? `inputs[${i}]` : 'inputs')
      })
      const scored = await judgeItems(context, context.params.judge, items)
      const predictions = scored.map((item) => {
        const p = probabilityOf(item)
        return p === null ? [] : [{ score: raw_scores ? logOdds(p) : p, label: 'yes' }]
      })
      return isBatch ? predictions : predictions[0]
    },
  }),
  route({
    ...TEI,
    method: 'POST',
    path: '/compat/tei/:judge/rerank',
    operationId: 'teiRerank',
    summary: 'Answers by P(Yes), as TEI reranks',
    description: 'Best first. Texts without a score are left out.',
    body: object({
      query: text('The question.'),
      texts: v.pipe(v.array(text('An answer.')), v.minLength(1), v.maxLength(4096)),
      raw_scores: v.optional(v.boolean(), false),
      return_text: v.optional(v.boolean(), false),
    }),
    maxBytes: MAX_BATCH_BYTES,
    example: { query: 'What is 2 + 3?', texts: ['It is 5.', 'It is 6.'] },
    response: v.array(object({ index: v.number(), score: v.number(), text: v.optional(v.string()) })),
    async handler(context) {
      const { query, texts, raw_scores, return_text } = context.body
      const scored = await judgeItems(context, context.params.judge, pairs([query], texts, 'texts'))
      return ranked(scored, 0).map(({ index, score }) => ({
        index,
        score: raw_scores ? logOdds(score) : score,
        ...(return_text && { text: texts[index] }),
      }))
    },
  }),
  route({
    ...TEI,
    method: 'GET',
    path: '/compat/tei/:judge/info',
    operationId: 'teiInfo',
    summary: 'What TEI says of its model',
    response: object({
      model_id: v.string(),
      model_type: object({
        classifier: object({
          id2label: record(v.string()),
          label2id: record(v.number()),
        }),
      }),
      max_client_batch_size: v.number(),
    }),
    handler: async ({ params }) => ({
      model_id: params.judge,
      model_type: { classifier: { id2label: { 0: 'yes' }, label2id: { yes: 0 } } },
      max_client_batch_size: 4096,
    }),
  }),
  route({
    ...TEI,
    method: 'GET',
    path: '/compat/tei/:judge/health',
    operationId: 'teiHealth',
    scope: null,
    summary: 'Whether it runs, as TEI says',
    response: object({}),
    handler: async () => ({}),
  }),
]

/** ln(p / (1 − p)), kept finite: JSON has no infinity. */
function logOdds(p: number): number {
  const clamped = Math.min(1 - 1e-12, Math.max(1e-12, p))
  return Math.log(clamped / (1 - clamped))
}
