/** OpenAI's Decisions. */
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { areDifferent, expectedLevel, type DecisionQuestion } from '../../core/judges/decide.ts'
import { likeliest } from '../../core/judges/many-options.ts'
import { list, looseObject, object, shortText, text } from '../../core/schemas/fields.ts'
import { MAX_OPTIONS } from '../../core/schemas/grader.ts'
import { MAX_BATCH_BYTES, route } from '../http/route.ts'
import { askDecisions, type Decision } from './ask-decisions.ts'
import { mediumOf } from './chat-text.ts'
import { DIALECT } from './dialect.ts'

const part = looseObject({ type: v.string(), text: v.optional(text('Of an `input_text`.')) })
const content = v.union([text('Text.'), v.pipe(v.array(part), v.maxLength(256))])
const inputItem = looseObject({
  type: v.optional(v.string()),
  role: v.optional(v.string()),
  content: v.optional(content),
})

const described = { description: v.optional(v.nullable(text('What it means.'))) }
const name = v.optional(v.nullable(shortText('To find the answer by.', 256)))
const predicate = object({ type: v.literal('predicate'), instructions: content, name })
const choice = object({
  type: v.literal('choice'),
  instructions: content,
  choices: v.pipe(
    list(object({ value: v.union([v.string(), v.boolean()]), ...described }), 2, MAX_OPTIONS),
    v.check(
      (choices) => areDifferent(choices.map(({ value }) => `${typeof value} ${value}`)),
      'has a value twice; give each choice its own',
    ),
  ),
  name,
})
const score = object({
  type: v.literal('score'),
  instructions: content,
  levels: v.pipe(
    list(object({ label: v.string(), ...described }), 2, MAX_OPTIONS),
    v.check((levels) => areDifferent(levels.map(({ label }) => label)), 'has a label twice; give each level its own'),
  ),
  name,
})
const question = v.variant('type', [predicate, choice, score])
type Question = v.InferOutput<typeof question>

const request = object({
  model: shortText('A judge, by id or name.', 128),
  input: v.union([text('What the questions are about.'), list(inputItem, 0, 1024)]),
  questions: v.pipe(
    list(question, 1, 400),
    v.description(
      'Of more than 26 choices or levels (16 where the judge tells of its 20 likeliest tokens only, four fifths of what a trial found where of fewer), ' +
        'groups are asked about first, and then their likeliest.',
    ),
  ),
})

const named = { name: v.nullable(v.string()) }
const p = v.number()
const answer = v.variant('type', [
  object({ type: v.literal('predicate'), ...named, probability: p }),
  object({
    type: v.literal('choice'),
    ...named,
    choice: v.union([v.string(), v.boolean()]),
    confidence: v.pipe(p, v.description('The probability of the choice.')),
    probabilities: v.array(object({ value: v.union([v.string(), v.boolean()]), probability: p })),
  }),
  object({
    type: v.literal('score'),
    ...named,
    score: v.pipe(p, v.description('The expected level, from 0.')),
    confidence: v.pipe(p, v.description('The probability of the likeliest level.')),
    probabilities: v.array(object({ value: v.number(), label: v.string(), probability: p })),
  }),
  object({ type: v.literal('refusal'), ...named }),
])

export const openAiDecisionRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/v1/decisions',
    operationId: 'createDecisions',
    summary: "Answers to questions about an input, as OpenAI's Decisions",
    description:
      '`model` is a judge of yours: its model answers, by the first token; its template is not used. A question that it ' +
      'would not answer is a `refusal`; one whose answer could not be had is an error of the whole request.',
    body: request,
    items: ({ questions }) => questions.length,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      model: 'maths',
      input: 'Question: What is 2 + 3? Answer: It is 5.',
      questions: [{ type: 'predicate', name: 'right', instructions: 'The answer is right.' }],
    },
    response: object({
      model: v.string(),
      answers: v.array(answer),
      usage: object({
        input_tokens: v.number(),
        input_tokens_details: object({ cached_tokens: v.number(), cache_write_tokens: v.number() }),
        output_tokens: v.number(),
        output_tokens_details: object({ reasoning_tokens: v.number() }),
        total_tokens: v.number(),
      }),
    }),
    async handler(context) {
      const { model, input, questions } = context.body
      checkNames(questions)
      const asking = questions.map((asked, i) => ({ asked, ...toDecision(asked, i), param: `questions[${i}]` }))
      const { decisions, promptTokens, completionTokens } = await askDecisions(
        context,
        model,
        'model',
        inputText(input),
        asking,
      )
      return {
        model,
        answers: decisions.map(({ question, decision }) => showAnswer(question.asked, decision)),
        usage: {
          input_tokens: promptTokens,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
          output_tokens: completionTokens,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: promptTokens + completionTokens,
        },
      }
    },
  }),
]

function checkNames(questions: readonly Question[]): void {
  const seen = new Set<string>()
  questions.forEach(({ name }, i) => {
    if (name && seen.has(name)) {
      const message = `\`questions[${i}].name\` ${JSON.stringify(name.slice(0, 100))} is that of another question; give each its own.`
      throw new GavelError('unprocessable', message, { param: `questions[${i}].name` })
    }
    if (name) seen.add(name)
  })
}

function toDecision(question: Question, i: number): DecisionQuestion {
  const instructions = contentText(question.instructions, `questions[${i}].instructions`)
  if (question.type === 'predicate') return { instructions: `Is the following true? ${instructions}` }
  if (question.type === 'score') {
    return { instructions, options: question.levels.map(({ label, description }) => ({ name: label, description })) }
  }
  return {
    instructions,
    options: question.choices.map(({ value, description }) => ({ name: String(value), description })),
  }
}

function showAnswer(question: Question, { probabilities }: Decision): v.InferOutput<typeof answer> {
  const name = question.name ?? null
  if (!probabilities) return { type: 'refusal', name }
  if (question.type === 'predicate') return { type: 'predicate', name, probability: probabilities[0]! }
  const best = likeliest(probabilities)
  const confidence = probabilities[best]!
  if (question.type === 'choice') {
    const values = question.choices.map(({ value }, i) => ({ value, probability: probabilities[i]! }))
    return { type: 'choice', name, choice: values[best]!.value, confidence, probabilities: values }
  }
  const levels = question.levels.map(({ label }, value) => ({ value, label, probability: probabilities[value]! }))
  return { type: 'score', name, score: expectedLevel(probabilities), confidence, probabilities: levels }
}

/** Messages as a transcript; calls of tools and their outputs as JSON. */
function inputText(input: v.InferOutput<typeof request>['input']): string {
  if (typeof input === 'string') return input
  const said = input.map((item, i) => {
    if (item.content === undefined) {
      refuseMedia(item.output, `input[${i}].output`)
      return JSON.stringify(item)
    }
    return { role: item.role ?? 'user', text: contentText(item.content, `input[${i}].content`) }
  })
  const [first] = said
  if (said.length === 1 && typeof first === 'object' && first.role === 'user') return first.text
  return said.map((one) => (typeof one === 'string' ? one : `${one.role}: ${one.text}`)).join('\n\n')
}

function contentText(given: v.InferOutput<typeof content>, param: string): string {
  if (typeof given === 'string') return given
  refuseMedia(given, param)
  return given.map((part) => part.text ?? JSON.stringify(part)).join('\n')
}

/** @throws GavelError `unprocessable` for a part that a judge of text cannot see */
function refuseMedia(parts: unknown, param: string): void {
  if (!Array.isArray(parts)) return
  for (const [i, part] of (parts as ({ type?: unknown } | null)[]).entries()) {
    const medium = mediumOf(part?.type)
    if (medium === undefined) continue
    const message = `\`${param}[${i}]\` is of type ${JSON.stringify(part!.type)}, and a judge of text cannot see any ${medium}; describe it in words.`
    throw new GavelError('unprocessable', message, { param: `${param}[${i}]` })
  }
}
