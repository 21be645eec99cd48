/** System One: decisions as OpenRouter and others have them, and the `decision` judge of PyPI `verifiers`. */
import * as v from 'valibot'
import { areDifferent, expectedLevel, materialText, type DecisionQuestion } from '../../core/judges/decide.ts'
import { likeliest } from '../../core/judges/many-options.ts'
import { object, record, shortText, text } from '../../core/schemas/fields.ts'
import { MAX_OPTIONS } from '../../core/schemas/grader.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { askDecisions, byName, type Decision } from './ask-decisions.ts'
import { DIALECT } from './dialect.ts'

const instructions = text('What is asked.')
const meaning = v.optional(v.nullable(text('What it means.')))
const yesNo = <const T extends string>(type: T) =>
  object({
    type: v.literal(type),
    instructions,
    criteria: v.optional(v.nullable(object({ true: meaning, false: meaning }))),
  })
const question = v.variant('type', [
  yesNo('noul'),
  yesNo('boolean'),
  object({
    type: v.literal('choice'),
    instructions,
    criteria: v.pipe(
      record(v.nullable(text('What it means.'))),
      v.minEntries(1),
      v.maxEntries(MAX_OPTIONS),
      v.description(
        'The options by name. One alone is certain, and the judge is not asked. Of more than 26 (16 where the ' +
          'judge tells of its 20 likeliest tokens only, four fifths of what a trial found where of fewer), groups are asked about first, ' +
          'and then their likeliest.',
      ),
    ),
  }),
  object({
    type: v.literal('score'),
    instructions,
    criteria: v.pipe(
      v.array(text('What the level means.')),
      v.minLength(1),
      v.maxLength(10),
      v.check((levels) => areDifferent(levels), 'has a level twice; say what each means'),
    ),
  }),
])
type Question = v.InferOutput<typeof question>

const request = object({
  model: shortText('A judge, by id or name.', 128),
  state: v.pipe(v.unknown(), v.description('What the questions are about: text, or JSON of any form.')),
  questions: v.pipe(
    record(question),
    v.check((questions) => {
      const count = Object.keys(questions).length
      return count >= 1 && count <= 400
    }, 'must have 1 to 400 questions'),
  ),
})

const p = v.number()
const answer = v.union([
  object({ type: v.literal('noul'), noul: p }),
  object({ type: v.literal('boolean'), boolean: p }),
  object({ type: v.literal('choice'), choice: v.string(), probabilities: record(p), confidence: p }),
  object({
    type: v.literal('score'),
    score: v.pipe(p, v.description('The expected level, from 0.')),
    probabilities: record(p),
    legend: record(v.string()),
    confidence: p,
  }),
  object({ type: v.literal('refusal') }),
])

export const systemOneRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/v1/systemone',
    operationId: 'createSystemOne',
    summary: 'Answers to questions about a state, as System One',
    description:
      'Also what the `decision` judge of PyPI `verifiers` posts. `model` is a judge of yours: its model answers, by the ' +
      'first token. A question that it would not answer is a `refusal`; one whose answer could not be had is an error of ' +
      'the whole request.',
    body: request,
    items: ({ questions }) => Object.keys(questions).length,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      model: 'maths',
      state: { question: 'What is 2 + 3?', response: 'It is 5.' },
      questions: { grade: { type: 'score', instructions: 'Grade the response.', criteria: ['wrong', 'right'] } },
    },
    response: object({
      model: v.string(),
      answers: record(answer),
      usage: object({ input_tokens: v.number(), output_tokens: v.literal(0) }),
    }),
    async handler(context) {
      const { model, state, questions } = context.body
      const entries = Object.entries(questions)
      const asking = entries.map(([id, asked]) => ({
        id,
        asked,
        ...toDecision(asked),
        param: `questions.${id.slice(0, 100)}`,
      }))
      const { decisions, promptTokens } = await askDecisions(context, model, 'model', materialText(state), asking)
      return {
        model,
        answers: Object.fromEntries(
          decisions.map(({ question: { id, asked }, decision }) => [id, showAnswer(asked, decision)]),
        ),
        usage: { input_tokens: promptTokens, output_tokens: 0 },
      }
    },
  }),
]

function toDecision(question: Question): DecisionQuestion {
  const { instructions } = question
  if (question.type === 'choice') {
    return {
      instructions,
      options: Object.entries(question.criteria).map(([name, description]) => ({ name, description })),
    }
  }
  if (question.type === 'score') return { instructions, options: question.criteria.map((name) => ({ name })) }
  const { criteria } = question
  return { instructions, criteria: { yes: criteria?.true ?? undefined, no: criteria?.false ?? undefined } }
}

function showAnswer(question: Question, { probabilities }: Decision): v.InferOutput<typeof answer> {
  if (!probabilities) return { type: 'refusal' }
  if (question.type === 'noul') return { type: 'noul', noul: probabilities[0]! }
  if (question.type === 'boolean') return { type: 'boolean', boolean: probabilities[0]! }
  const best = likeliest(probabilities)
  const confidence = probabilities[best]!
  if (question.type === 'choice') {
    const names = Object.keys(question.criteria)
    return { type: 'choice', choice: names[best]!, probabilities: byName(names, probabilities), confidence }
  }
  return {
    type: 'score',
    score: expectedLevel(probabilities),
    probabilities: Object.fromEntries(probabilities.entries()),
    legend: Object.fromEntries(question.criteria.entries()),
    confidence,
  }
}
