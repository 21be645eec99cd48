/** SGLang: scoring routes and decisions of a server that serves one judge. */
import * as v from 'valibot'
import type { GavelError } from '../../core/errors.ts'
import { areDifferent, expectedLevel, materialText, type DecisionQuestion } from '../../core/judges/decide.ts'
import { likeliest } from '../../core/judges/many-options.ts'
import { fields, list, looseObject, number, object, record, shortText, text } from '../../core/schemas/fields.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { aboutServer } from './about-server.ts'
import { askDecisions, byName, type Decision } from './ask-decisions.ts'
import { DIALECT, hexId, nowSeconds, usage, usageOf } from './dialect.ts'
import { judgeItems, labelProbability, labelsOf, pairs, probabilityOf, ranked } from './judge-texts.ts'
import {
  classifyItems,
  classifyRequest,
  generativeItems,
  generativeRequest,
  itemsToClassify,
  itemsToScore,
} from './vllm.ts'

const SGLANG = {
  ...DIALECT,
  errorForm: {
    schema: object({
      object: v.literal('error'),
      message: v.string(),
      type: v.string(),
      param: v.nullable(v.string()),
      code: v.number(),
    }),
    show: ({ message, type, param, status }: GavelError) => ({ object: 'error', message, type, param, code: status }),
  },
} as const

const id = shortText('To find the answer by.', 256)
/** A judge answers at once: its chat template is rendered without thinking, and nothing else of it can be set. */
const off = v.optional(v.literal(false, 'must be false: a judge answers at once, without thinking'))
const noThinking = v.pipe(
  fields({ enable_thinking: off, thinking: off }),
  v.description('Thinking is off, as it is in SGLang; nothing else of the chat template can be set.'),
)
const question = v.variant('type', [
  object({
    id,
    type: v.literal('yes_no'),
    question: text('What is asked.'),
    yes: v.optional(v.nullable(text('What yes means.'))),
    no: v.optional(v.nullable(text('What no means.'))),
  }),
  object({
    id,
    type: v.literal('choice'),
    question: text('What is asked.'),
    options: v.pipe(
      list(object({ name: v.string(), description: v.optional(v.nullable(text('What it means.'))) }), 2, 26),
      v.check((options) => areDifferent(options.map(({ name }) => name)), 'has a name twice; give each option its own'),
    ),
  }),
  object({
    id,
    type: v.literal('score'),
    question: text('What is asked.'),
    levels: v.pipe(
      v.array(v.union([v.string(), v.number()])),
      v.minLength(2),
      v.maxLength(10),
      v.check((levels) => areDifferent(levels), 'has a level twice; give each its own name'),
    ),
  }),
])
type Question = v.InferOutput<typeof question>

const decided = object({
  type: v.string(),
  probabilities: v.pipe(record(v.number()), v.description('Empty where the judge would not answer.')),
  label_mass: v.number(),
  choice: v.optional(v.string()),
  score: v.optional(v.pipe(v.number(), v.description('The expected level, from 0.'))),
})

export const sglangRoutes = [
  route({
    ...SGLANG,
    method: 'POST',
    path: '/compat/sglang/:judge/v1/decisions',
    operationId: 'sglangDecisions',
    summary: 'Answers to questions about an input, as SGLang decides',
    description:
      'An SGLang server at `/compat/sglang/{judge}`. A question that the judge would not answer has its `label_mass` and ' +
      'no probabilities; one whose answer could not be had is an error of the whole request.',
    body: object({
      model: v.optional(v.nullable(v.string())),
      input: v.pipe(
        v.union([v.string(), v.array(v.unknown()), record(v.unknown())], 'must be text, an object or an array'),
        v.description('What the questions are about: text, or JSON.'),
      ),
      questions: v.pipe(
        list(question, 1, 400),
        v.check(
          (questions) => areDifferent(questions.map(({ id }) => id)),
          'has an id twice; give each question its own',
        ),
      ),
      chat_template_kwargs: v.optional(v.nullable(noThinking)),
      temperature: v.optional(v.nullable(number(0.01, 100, 'Divides the log-probabilities. Default 1.'))),
      prompt_format_version: v.optional(v.nullable(v.literal(1, 'must be 1: there is no other here'))),
      return_prompt_token_ids: v.optional(
        v.nullable(
          v.literal(false, 'must be false: the prompt is the judge’s own, and its token ids are not known here'),
        ),
      ),
    }),
    items: ({ questions }) => questions.length,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      input: 'Question: What is 2 + 3? Answer: It is 5.',
      questions: [{ id: 'right', type: 'yes_no', question: 'The answer is right.' }],
    },
    response: object({
      object: v.literal('decisions'),
      model: v.string(),
      prompt_format_version: v.literal(1),
      answers: record(decided),
      usage,
    }),
    async handler(context) {
      const { params, body } = context
      const questions = body.questions.map((asked, i) => ({ asked, ...toDecision(asked), param: `questions[${i}]` }))
      const { decisions, promptTokens, completionTokens } = await askDecisions(
        context,
        params.judge,
        'judge',
        materialText(body.input),
        questions,
      )
      const answers = decisions.map(({ question: { asked }, decision }) => [
        asked.id,
        showAnswer(asked, tempered(decision, body.temperature ?? 1)),
      ])
      return {
        object: 'decisions',
        model: body.model ?? params.judge,
        prompt_format_version: 1,
        answers: Object.fromEntries(answers) as Record<string, v.InferOutput<typeof decided>>,
        usage: {
          prompt_tokens: promptTokens,
          completion_tokens: completionTokens,
          total_tokens: promptTokens + completionTokens,
        },
      }
    },
  }),
  route({
    ...SGLANG,
    method: 'POST',
    path: '/compat/sglang/:judge/v1/score',
    operationId: 'sglangScore',
    summary: 'The probabilities of both labels as SGLang scores label tokens',
    description:
      'In the order of `label_token_ids`: with `apply_softmax` of both labels, without it (the default) among all tokens. ' +
      'An item without a score has an empty list.',
    body: object({ ...generativeRequest.entries, apply_softmax: v.optional(v.boolean(), false) }),
    items: itemsToScore,
    maxBytes: MAX_BATCH_BYTES,
    example: { query: 'What is 2 + 3?', items: ['It is 5.'], label_token_ids: [9642, 2822], apply_softmax: true },
    response: object({
      object: v.literal('scoring'),
      model: v.string(),
      scores: v.array(v.array(v.number())),
      usage,
    }),
    async handler(context) {
      const { body, params } = context
      const items = generativeItems(body)
      const labels = await labelsOf(context, params.judge, body.label_token_ids)
      const scored = await judgeItems(context, params.judge, items)
      const scores = scored.map((item) =>
        labels.flatMap((label) => labelProbability(item, label, body.apply_softmax) ?? []),
      )
      return { object: 'scoring', model: body.model ?? params.judge, scores, usage: usageOf(scored) }
    },
  }),
  route({
    ...SGLANG,
    method: 'POST',
    path: '/compat/sglang/:judge/v1/rerank',
    operationId: 'sglangRerank',
    summary: 'Answers by P(Yes), as SGLang reranks',
    description: 'Best first. Documents without a score are left out.',
    body: object({
      query: text('The question.'),
      documents: list(text('An answer.'), 0, 4096),
      top_n: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0)))),
      return_documents: v.optional(v.boolean(), true),
      instruct: v.optional(
        v.nullable(v.literal('', 'must be left out: what is asked of an answer is said by the judge’s template')),
      ),
    }),
    maxBytes: MAX_BATCH_BYTES,
    example: { query: 'What is 2 + 3?', documents: ['It is 5.', 'It is 6.'] },
    response: v.array(object({ score: v.number(), document: v.optional(v.string()), index: v.number() })),
    async handler(context) {
      const { query, documents, top_n, return_documents } = context.body
      const scored = await judgeItems(context, context.params.judge, pairs([query], documents, 'documents'))
      return ranked(scored, top_n ?? 0).map(({ index, score }) => ({
        score,
        ...(return_documents && { document: documents[index] }),
        index,
      }))
    },
  }),
  route({
    ...SGLANG,
    method: 'POST',
    path: '/compat/sglang/:judge/v1/classify',
    operationId: 'sglangClassify',
    summary: 'P(Yes) as SGLang classifies',
    description: 'An item without a score has the label null and no probabilities.',
    body: classifyRequest,
    items: itemsToClassify,
    maxBytes: MAX_BATCH_BYTES,
    example: { input: ['<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\nIt is 5.'] },
    response: looseObject({ data: v.array(looseObject({ index: v.number(), probs: v.array(v.number()) })) }),
    async handler(context) {
      const { deps, body, params } = context
      const scored = await judgeItems(context, params.judge, classifyItems(body))
      const data = scored.map((item, index) => {
        const p = probabilityOf(item)
        const label = p === null ? null : p >= 0.5 ? 'yes' : 'no'
        return { index, label, probs: p === null ? [] : [p, 1 - p], num_classes: 2 }
      })
      const model = body.model ?? params.judge
      const envelope = { id: hexId(deps, 'classify'), object: 'list', created: nowSeconds(deps), model }
      return { ...envelope, data, usage: usageOf(scored) }
    },
  }),
  ...aboutServer('sglang', SGLANG),
]

function toDecision(question: Question): DecisionQuestion {
  if (question.type === 'yes_no') {
    const criteria = { yes: question.yes ?? undefined, no: question.no ?? undefined }
    return { instructions: `Is the following true? ${question.question}`, criteria }
  }
  if (question.type === 'choice') return { instructions: question.question, options: question.options }
  return { instructions: question.question, options: question.levels.map((level) => ({ name: String(level) })) }
}

/** p^(1/T), normalised. */
function tempered({ probabilities, labelMass }: Decision, temperature: number): Decision {
  if (!probabilities || temperature === 1) return { probabilities, labelMass }
  const top = Math.max(...probabilities)
  const powers = probabilities.map((p) => (p / top) ** (1 / temperature))
  const total = powers.reduce((sum, power) => sum + power, 0)
  return { probabilities: powers.map((power) => power / total), labelMass }
}

function showAnswer(question: Question, { probabilities, labelMass }: Decision): v.InferOutput<typeof decided> {
  const { type } = question
  if (!probabilities) return { type, probabilities: {}, label_mass: labelMass }
  const names =
    question.type === 'yes_no'
      ? ['yes', 'no']
      : question.type === 'choice'
        ? question.options.map(({ name }) => name)
        : question.levels.map(String)
  return {
    type,
    probabilities: byName(names, probabilities),
    label_mass: labelMass,
    ...(type === 'choice' && { choice: names[likeliest(probabilities)] }),
    ...(type === 'score' && { score: expectedLevel(probabilities) }),
  }
}
