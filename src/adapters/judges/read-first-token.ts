import * as v from 'valibot'
import { wordOf } from '../../core/judges/labels.ts'
import type { FirstTokenLogprobs } from '../../core/ports.ts'
import type { ProviderAnswer } from './provider-call.ts'

type Entry = FirstTokenLogprobs['logprobs'][number]

/** What cannot be said at all has no log-probability; JSON has no −∞, and servers write null for it. */
const logprob = v.pipe(
  v.nullable(v.number()),
  v.transform((value) => value ?? -Infinity),
)
const entry = v.object({ token: v.string(), logprob })

/** Chat's form of log-probabilities, which some servers also use for completions. */
const chatForm = v.object({
  content: v.array(v.object({ ...entry.entries, top_logprobs: v.nullish(v.array(entry), []) })),
})
/** The older form of /completions: per position a map from token to log-probability. */
const completionsForm = v.object({
  tokens: v.nullish(v.array(v.string()), []),
  token_logprobs: v.nullish(v.array(logprob), []),
  top_logprobs: v.array(v.nullable(v.record(v.string(), logprob))),
})

const answerSchema = v.object({
  choices: v.pipe(v.array(v.object({ logprobs: v.nullish(v.union([chatForm, completionsForm])) })), v.minLength(1)),
})

/**
 * The first token's distribution out of an OpenAI-shaped answer (chat or completions). No log-probabilities at all
 * give an empty list, which `probabilityOfYes` explains.
 *
 * @throws Error when the answer has another shape, or only the sampled token is in it
 */
export function readFirstToken(body: unknown): ProviderAnswer {
  const parsed = v.safeParse(answerSchema, body)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new Error(`its answer is not an OpenAI completion: ${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`)
  }
  const { choices } = parsed.output
  const logprobs = firstToken(choices[0]!.logprobs)
  if (logprobs.length === 1) {
    throw new Error(
      'it gives the log-probability of the sampled token only, so that P(No) stays unknown; ' +
        'use a provider that supports `top_logprobs`, or a local judge',
    )
  }
  return {
    logprobs: logprobs.every((one) => one.logprob === -Infinity) ? [] : logprobs,
    complete: false,
  }
}

type Logprobs = v.InferOutput<typeof answerSchema>['choices'][number]['logprobs']

function firstToken(logprobs: Logprobs): Entry[] {
  if (!logprobs) return []
  if ('content' in logprobs) {
    const [sampled] = logprobs.content
    return sampled ? withSampled(sampled.top_logprobs ?? [], sampled) : []
  }
  const { tokens, token_logprobs, top_logprobs } = logprobs
  const top = Object.entries(top_logprobs[0] ?? {}).map(([token, logprob]) => ({ token, logprob }))
  const [token, logprob] = [tokens?.[0], token_logprobs?.[0]]
  return token === undefined || logprob === undefined ? top : withSampled(top, { token, logprob })
}

/**
 * Some servers leave the sampled token out of the alternatives; others list it, spelled with the mark of a word's start
 * that they take off what was sampled: then it has the same log-probability there.
 */
function withSampled(top: Entry[], { token, logprob }: Entry): Entry[] {
  const isListed = top.some(
    (other) => other.token === token || (wordOf(other.token) === wordOf(token) && isSame(other.logprob, logprob)),
  )
  return isListed ? top : [{ token, logprob }, ...top]
}

/** Equal but for how many digits were written. */
const isSame = (a: number, b: number) => a === b || Math.abs(a - b) <= 1e-6 * (1 + Math.abs(a))
