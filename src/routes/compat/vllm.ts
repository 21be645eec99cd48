/** vLLM: pooling and scoring routes of a server that serves one judge. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { chatMessages } from '../../core/schemas/chat.ts'
import { list, looseObject, object, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { aboutServer } from './about-server.ts'
import { conversationItem } from './chat-text.ts'
import { DIALECT, hexId, nowSeconds, usage, usageOf } from './dialect.ts'
import {
  chatItem,
  judgeItems,
  labelProbability,
  labelsOf,
  pairs,
  probabilityOf,
  ranked,
  refuseTokenIds,
} from './judge-texts.ts'

const model = v.optional(v.nullable(v.pipe(v.string(), v.description('Given back. Which judge scores is in the URL.'))))
const ids = list(v.pipe(v.number(), v.integer()), 0, 65_536)
const oneOrMore = v.union([text('Text.'), list(text('Text.'), 0, 4096)])
const listed = (given: string | string[]) => (typeof given === 'string' ? [given] : given)

/** A judge gives probabilities. Logits, which vLLM answers without it, are not to be had of all judges. */
const use_activation = v.optional(
  v.nullable(v.literal(true, 'must be true or left out: a judge gives probabilities, not logits')),
)

export const classifyRequest = object({
  model,
  input: v.optional(v.union([oneOrMore, ids, list(ids, 0, 4096)])),
  messages: v.optional(chatMessages),
  use_activation,
  normalize: v.optional(v.null('was removed by vLLM; leave it out: probabilities are what is answered')),
})
const score = object({
  index: v.number(),
  object: v.literal('score'),
  score: v.pipe(v.nullable(v.number()), v.description('P(Yes); null where the judge gave no score.')),
})
const scores = object({
  id: v.string(),
  object: v.literal('list'),
  created: v.number(),
  model: v.string(),
  data: v.array(score),
  usage,
})

/** The names that queries and documents have had. */
const PAIR_NAMES = [
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
  ['text_1', 'text_2'],
] as const
const scoreRequest = object({
  model,
  ...(Object.fromEntries(PAIR_NAMES.flat().map((name) => [name, v.optional(oneOrMore)])) as Record<
    (typeof PAIR_NAMES)[number][number],
    v.OptionalSchema<typeof oneOrMore, undefined>
  >),
  use_activation,
})

const onlyText = v.optional(v.null('must be left out: a judge of text cannot see it'))
const rerankRequest = object({
  model,
  query: text('The question.'),
  documents: list(
    v.union([text('An answer.'), looseObject({ text: text('An answer.'), multi_modal: onlyText })]),
    0,
    4096,
  ),
  top_n: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  use_activation,
})

export const generativeRequest = object({
  model,
  query: v.union([text('The question.'), ids]),
  items: v.union([text('An answer.'), list(v.union([text('An answer.'), ids]), 0, 4096)]),
  label_token_ids: v.pipe(
    ids,
    v.length(2, 'must be two ids, one of yes and one of no: a judge has these two labels'),
    v.description(
      "A token of yes and one of no, in any order, by the judge's own tokenizer or its `label_token_ids`. All spellings of a " +
        'label count together.',
    ),
  ),
  item_first: v.optional(
    v.literal(false, 'must be false: a judge’s template says where question and answer stand'),
    false,
  ),
})

/** A chat is one item, however many messages it has. */
export const itemsToClassify = ({ input }: v.InferOutput<typeof classifyRequest>): number =>
  Array.isArray(input) ? input.length : 1
export const itemsToScore = ({ items }: v.InferOutput<typeof generativeRequest>): number =>
  Array.isArray(items) ? items.length : 1

export const vllmRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/vllm/:judge/classify',
    operationId: 'vllmClassify',
    summary: 'P(Yes) as vLLM classifies',
    description:
      'A vLLM server at `/compat/vllm/{judge}`. The input is a chat: messages, or text with the markers of its template. ' +
      'An item without a score has the label null and no probabilities.',
    body: classifyRequest,
    items: itemsToClassify,
    maxBytes: MAX_BATCH_BYTES,
    example: { input: ['<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\nIt is 5.'] },
    response: object({
      ...scores.entries,
      data: v.array(
        object({
          index: v.number(),
          label: v.nullable(v.string()),
          probs: v.pipe(v.array(v.number()), v.description('Of yes, and of no.')),
          num_classes: v.number(),
        }),
      ),
    }),
    async handler(context) {
      const { deps, body, params } = context
      const scored = await judgeItems(context, params.judge, classifyItems(body))
      const data = scored.map((item, index) => {
        const p = probabilityOf(item)
        const label = p === null ? null : p >= 0.5 ? 'yes' : 'no'
        return { index, label, probs: p === null ? [] : [p, 1 - p], num_classes: 2 }
      })
      return { ...envelope(deps, 'classify', body.model ?? params.judge), data, usage: usageOf(scored) }
    },
  }),
  ...(['/score', '/v1/score'] as const).map((path) =>
    route({
      ...DIALECT,
      method: 'POST',
      path: `/compat/vllm/:judge${path}`,
      operationId: path === '/score' ? 'vllmScore' : 'vllmScoreV1',
      summary: 'P(Yes) as vLLM scores pairs',
      description: 'The queries are questions and the documents answers: one query for all, or one each.',
      body: scoreRequest,
      maxBytes: MAX_BATCH_BYTES,
      example: { queries: 'What is 2 + 3?', documents: ['It is 5.', 'It is 6.'] },
      response: scores,
      async handler(context) {
        const { deps, body, params } = context
        const names = PAIR_NAMES.find(([a, b]) => body[a] !== undefined && body[b] !== undefined)
        if (!names) {
          const message = '`queries` and `documents` are missing; give both.'
          throw new GavelError('unprocessable', message, { param: 'queries' })
        }
        const stray = PAIR_NAMES.flat().find((name) => body[name] !== undefined && !names.includes(name as never))
        if (stray) {
          const message = `\`${stray}\` is given beside \`${names.join('` and `')}\`, and only one pair can be scored; leave it out.`
          throw new GavelError('unprocessable', message, { param: stray })
        }
        const [queries, documents] = names
        const items = pairs(listed(body[queries]!), listed(body[documents]!), documents)
        const scored = await judgeItems(context, params.judge, items)
        const data = scored.map((item, index) => ({ index, object: 'score', score: probabilityOf(item) }))
        return { ...envelope(deps, 'embd', body.model ?? params.judge), data, usage: usageOf(scored) }
      },
    }),
  ),
  ...(['/rerank', '/v1/rerank', '/v2/rerank'] as const).map((path, i) =>
    route({
      ...DIALECT,
      method: 'POST',
      path: `/compat/vllm/:judge${path}`,
      operationId: `vllmRerank${['', 'V1', 'V2'][i]}`,
      summary: 'Answers by P(Yes), as vLLM reranks',
      description: 'Best first. Documents without a score are left out.',
      body: rerankRequest,
      maxBytes: MAX_BATCH_BYTES,
      example: { query: 'What is 2 + 3?', documents: ['It is 5.', 'It is 6.'] },
      response: object({
        id: v.string(),
        model: v.string(),
        usage: v.omit(usage, ['completion_tokens']),
        results: v.array(
          object({ index: v.number(), document: object({ text: v.string() }), relevance_score: v.number() }),
        ),
      }),
      async handler(context) {
        const { deps, body, params } = context
        const documents = body.documents.map((document) => (typeof document === 'string' ? document : document.text))
        const scored = await judgeItems(context, params.judge, pairs([body.query], documents, 'documents'))
        const results = ranked(scored, body.top_n).map(({ index, score }) => ({
          index,
          document: { text: documents[index] },
          relevance_score: score,
        }))
        const { completion_tokens: _, ...usage } = usageOf(scored)
        return { id: hexId(deps, 'rerank'), model: body.model ?? params.judge, usage, results }
      },
    }),
  ),
  route({
    ...DIALECT,
    method: 'POST',
    path: '/compat/vllm/:judge/generative_scoring',
    operationId: 'vllmGenerativeScoring',
    summary: 'P(label) as vLLM scores with label tokens',
    description:
      'The probability of the label that the first of `label_token_ids` stands for: with `apply_softmax` (the default) of ' +
      'both labels, without it among all tokens.',
    body: object({ ...generativeRequest.entries, apply_softmax: v.optional(v.boolean(), true) }),
    items: itemsToScore,
    maxBytes: MAX_BATCH_BYTES,
    example: { query: 'What is 2 + 3?', items: ['It is 5.'], label_token_ids: [9642, 2822] },
    response: scores,
    async handler(context) {
      const { deps, body, params } = context
      const items = generativeItems(body)
      const [label] = await labelsOf(context, params.judge, body.label_token_ids)
      const scored = await judgeItems(context, params.judge, items)
      const data = scored.map((item, index) => ({
        index,
        object: 'score',
        score: labelProbability(item, label, body.apply_softmax),
      }))
      return { ...envelope(deps, 'generative-scoring', body.model ?? params.judge), data, usage: usageOf(scored) }
    },
  }),
  ...aboutServer('vllm', DIALECT),
]

const envelope = (deps: Parameters<typeof hexId>[0], kind: string, model: string) => ({
  id: hexId(deps, kind),
  object: 'list',
  created: nowSeconds(deps),
  model,
})

export function classifyItems({ input, messages }: v.InferOutput<typeof classifyRequest>) {
  if (messages && input !== undefined) {
    const message = '`input` and `messages` are both given, and only one can be what to classify; leave the other out.'
    throw new GavelError('unprocessable', message, { param: 'messages' })
  }
  if (messages) return [conversationItem(messages)]
  if (input === undefined) {
    throw new GavelError('unprocessable', '`input` is missing; give it, or `messages`.', { param: 'input' })
  }
  if (typeof input === 'string') return [chatItem(input, 'input')]
  return input.map((one, i) => (typeof one === 'string' ? chatItem(one, `input[${i}]`) : refuseTokenIds('input')))
}

/** Questions and answers of a request for generative scores. */
export function generativeItems({ query, items }: Pick<v.InferOutput<typeof generativeRequest>, 'query' | 'items'>) {
  const question = typeof query === 'string' ? query : refuseTokenIds('query')
  return (typeof items === 'string' ? [items] : items).map((item) => ({
    question,
    answer: typeof item === 'string' ? item : refuseTokenIds('items'),
  }))
}
