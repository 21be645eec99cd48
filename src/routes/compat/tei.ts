/** Text Embeddings Inference: a server of one classifier, which is a judge. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { list, object, record, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { DIALECT, refuseForGood, type Asker } from './dialect.ts'
import { chatItem, judgeItems, pairs, probabilityOf, ranked } from './judge-texts.ts'

/** TEI's own statuses: whatever is wrong with a request is a 422, and a backend that gives nothing a 424. */
const STATUSES: Record<number, number> = { 400: 422, 502: 424 }
const ERROR_TYPES: Record<number, string> = { 429: 'Overloaded', 503: 'Unhealthy' }
const MAX_BATCH = 4096
/** So many are read, to be told how many are too many. */
const MAX_READ = 65_536
const TEI = {
  ...DIALECT,
  errorForm: {
    schema: object({ error: v.string(), error_type: v.string() }),
    show: (error: GavelError) => ({
      error: error.message,
      error_type: ERROR_TYPES[error.status] ?? (error.status < 500 ? 'Validation' : 'Backend'),
    }),
    status: ({ status }: GavelError) => STATUSES[status] ?? status,
  },
} as const

const pair = v.pipe(v.strictTuple([text('The question.'), text('The answer.')]), v.description('Question and answer.'))
const one = v.strictTuple([text('A chat with the markers of its template.')])
const sequence = v.union([text('A chat with the markers of its template.'), pair])
const predictRequest = object({
  inputs: v.union([sequence, one, list(v.union([pair, one]), 0, MAX_READ)]),
  raw_scores: v.optional(v.boolean(), false),
})
type Inputs = v.InferOutput<typeof predictRequest>['inputs']
type Sequence = string | [string] | [string, string]
/** A text or a pair of them is one sequence. */
const isBatchOf = (inputs: Inputs): inputs is Exclude<Sequence, string>[] =>
  Array.isArray(inputs) && Array.isArray(inputs[0] ?? [])
const sequencesOf = (inputs: Inputs): Sequence[] => (isBatchOf(inputs) ? inputs : [inputs])
const prediction = v.array(object({ score: v.number(), label: v.string() }))

export const teiRoutes = [
  route({
    ...TEI,
    method: 'POST',
    path: '/compat/tei/:judge/predict',
    operationId: 'teiPredict',
    summary: 'P(Yes) as TEI predicts',
    description:
      'A TEI server at `/compat/tei/{judge}`. One class, yes, as reward models have; an item without a score has none, and ' +
      'where the judge failed on all of them it is a 424. `raw_scores` gives the log-odds. Nothing is truncated: the judge ' +
      'sees what it is made to see.',
    body: predictRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: { inputs: [['What is 2 + 3?', 'It is 5.']] },
    response: v.union([prediction, v.array(prediction)]),
    items: ({ inputs }) => sequencesOf(inputs).length,
    async handler(context) {
      const { inputs, raw_scores } = context.body
      const isBatch = isBatchOf(inputs)
      const sequences = sequencesOf(inputs)
      const items = sequences.map((given, i) => {
        if (typeof given !== 'string' && given.length === 2) return { question: given[0], answer: given[1] }
        return chatItem(typeof given === 'string' ? given : given[0], isBatch ? `inputs[${i}]` : 'inputs')
      })
      const scored = await score(context, items, 'inputs')
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
    description: 'Best first. Texts without a score are left out; where the judge failed on all of them it is a 424.',
    body: object({
      query: text('The question.'),
      texts: list(text('An answer.'), 1, MAX_READ),
      raw_scores: v.optional(v.boolean(), false),
      return_text: v.optional(v.boolean(), false),
    }),
    maxBytes: MAX_BATCH_BYTES,
    example: { query: 'What is 2 + 3?', texts: ['It is 5.', 'It is 6.'] },
    response: v.array(object({ index: v.number(), score: v.number(), text: v.optional(v.string()) })),
    async handler(context) {
      const { query, texts, raw_scores, return_text } = context.body
      const scored = await score(context, pairs([query], texts, 'texts'), 'texts')
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
      max_client_batch_size: MAX_BATCH,
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

/**
 * Scores items by the judge that the URL names.
 * @throws GavelError `too_large` for more than a batch, `judge_unreachable` where the judge failed on all items; what would
 *   fail again, such as `prompt_too_long`, as what it is
 */
async function score(
  context: Asker & { params: { judge: string } },
  items: JudgeItem[],
  param: string,
): Promise<ScoredItem[]> {
  if (items.length > MAX_BATCH) {
    const message = `\`${param}\` has ${items.length} texts and the most is ${MAX_BATCH}; send them in several requests.`
    throw new GavelError('too_large', message, { param })
  }
  const scored = await judgeItems(context, context.params.judge, items)
  const [first] = scored
  if (first?.outcome !== 'failed' || scored.some(({ outcome }) => outcome !== 'failed')) return scored
  refuseForGood(first, param)
  throw new GavelError('judge_unreachable', `The judge failed on all of \`${param}\`: ${first.reason.slice(0, 500)}`)
}

/** ln(p / (1 − p)), kept finite: JSON has no infinity. */
function logOdds(p: number): number {
  const clamped = Math.min(1 - 1e-12, Math.max(1e-12, p))
  return Math.log(clamped / (1 - clamped))
}
