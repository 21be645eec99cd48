/** Judges behind endpoints that answer questions with probabilities instead of tokens. */
import * as v from 'valibot'
import type { JudgeClient, JudgeRequest } from '../../core/ports.ts'
import { providerJudgeClient, type ProviderAnswer, type ProviderOptions } from './provider-call.ts'
import { postJson, readAnswer, urlBelow } from './provider-request.ts'

export interface DecisionJudgeOptions extends ProviderOptions {
  /** Up to and with the version: `https://host/v1`. */
  baseUrl: string
  model: string
}

const INSTRUCTIONS = 'Answer the last message, choosing the word that it asks for.'
/** Stands where a token would, so that the judge counts as abstaining and the reason names it. */
const REFUSAL = '(refusal)'

const refusal = v.object({ type: v.literal('refusal') })
const probability = v.pipe(v.number(), v.minValue(0), v.maxValue(1.001))

const openaiAnswer = v.object({
  answers: v.pipe(
    v.array(
      v.variant('type', [
        v.object({
          type: v.literal('choice'),
          probabilities: v.array(v.object({ value: v.union([v.string(), v.boolean()]), probability })),
        }),
        refusal,
      ]),
    ),
    v.minLength(1),
  ),
})

/** OpenAI's decisions: the prompt is the input, and the question a choice between the labels. */
export function decisionsJudgeClient(options: DecisionJudgeOptions): JudgeClient {
  const url = urlBelow(options.baseUrl, '/decisions')
  return providerJudgeClient(async ({ messages, labels }, _, fetch) => {
    const choices = labels.map((value) => ({ value }))
    const question = { type: 'choice', name: 'verdict', instructions: INSTRUCTIONS, choices }
    const body = { model: options.model, input: messages, questions: [question] }
    const answer = read(
      openaiAnswer,
      await readAnswer(await fetch(url, postJson(url, options.apiKey, body))),
      'decision',
    )
    const decided = answer.answers[0]!
    const listed = decided.type === 'refusal' ? [] : decided.probabilities
    return asFirstToken(labels, Object.fromEntries(listed.map((one) => [one.value, one.probability])))
  }, options)
}

const systemoneAnswer = v.object({
  answers: v.object({
    verdict: v.variant('type', [
      v.object({ type: v.literal('choice'), probabilities: v.record(v.string(), probability) }),
      refusal,
    ]),
  }),
})

/** System One: the prompt is the state, and the question a choice between the labels. Some servers wrap the answer. */
export function systemoneJudgeClient(options: DecisionJudgeOptions): JudgeClient {
  const url = urlBelow(options.baseUrl, '/systemone')
  return providerJudgeClient(async ({ messages, labels }, _, fetch) => {
    const criteria = Object.fromEntries(labels.map((label) => [label, null]))
    const questions = { verdict: { type: 'choice', instructions: INSTRUCTIONS, criteria } }
    const body = { model: options.model, state: messages, questions }
    const raw = (await readAnswer(await fetch(url, postJson(url, options.apiKey, body)))) as { result?: unknown } | null
    const answer = read(systemoneAnswer, raw?.result ?? raw, 'System One answer')
    const { verdict } = answer.answers
    return asFirstToken(labels, verdict.type === 'refusal' ? {} : verdict.probabilities)
  }, options)
}

/** The probabilities of the labels as if they were of first tokens. Those of an answer sum to 1. */
function asFirstToken(labels: JudgeRequest['labels'], probabilities: Record<string, number>): ProviderAnswer {
  const missing = labels.find((label) => probabilities[label] === undefined)
  const refused = Object.keys(probabilities).length === 0
  if (missing !== undefined && !refused) throw new Error(`its answer has no probability for ${JSON.stringify(missing)}`)
  const logprobs = refused
    ? [{ token: REFUSAL, logprob: 0 }]
    : labels.map((token) => ({ token, logprob: Math.log(probabilities[token]!) }))
  return { logprobs, complete: true }
}

function read<S extends v.GenericSchema>(schema: S, body: unknown, what: string): v.InferOutput<S> {
  const parsed = v.safeParse(schema, body)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new Error(`its answer is no ${what}: ${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`)
}
