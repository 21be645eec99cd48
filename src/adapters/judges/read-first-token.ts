import * as v from 'valibot'
import type { FirstTokenLogprobs } from '../../core/ports.ts'

const entry = v.object({ token: v.string(), logprob: v.number() })

/** Chat's form of log-probabilities, which some servers also use for completions. */
const chatForm = v.object({
  content: v.array(v.object({ ...entry.entries, top_logprobs: v.nullish(v.array(entry), []) })),
})
/** The older form of /completions: per position a map from token to log-probability. */
const completionsForm = v.object({ top_logprobs: v.array(v.nullable(v.record(v.string(), v.number()))) })

const answerSchema = v.object({
  choices: v.pipe(v.array(v.object({ logprobs: v.nullish(v.union([chatForm, completionsForm])) })), v.minLength(1)),
  usage: v.nullish(
    v.object({ prompt_tokens: v.optional(v.number(), 0), completion_tokens: v.optional(v.number(), 0) }),
    { prompt_tokens: 0, completion_tokens: 0 },
  ),
})

/**
 * The first token's distribution out of an OpenAI-shaped answer (chat or completions). No log-probabilities at all
 * give an empty list, which `probabilityOfYes` explains.
 *
 * @throws Error when the answer has another shape, or only the sampled token is in it
 */
export function readFirstToken(body: unknown): FirstTokenLogprobs {
  const parsed = v.safeParse(answerSchema, body)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new Error(`its answer is not an OpenAI completion: ${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`)
  }
  const { choices, usage } = parsed.output
  const logprobs = firstToken(choices[0]!.logprobs)
  if (logprobs.length === 1) {
    throw new Error(
      'it gives the log-probability of the sampled token only, so that P(No) stays unknown; ' +
        'use a provider that supports `top_logprobs`, or a local judge',
    )
  }
  return {
    logprobs,
    complete: false,
    usage: { promptTokens: usage?.prompt_tokens ?? 0, completionTokens: usage?.completion_tokens ?? 0 },
  }
}

type Logprobs = v.InferOutput<typeof answerSchema>['choices'][number]['logprobs']

function firstToken(logprobs: Logprobs): FirstTokenLogprobs['logprobs'] {
  if (!logprobs) return []
  if ('top_logprobs' in logprobs) {
    return Object.entries(logprobs.top_logprobs[0] ?? {}).map(([token, logprob]) => ({ token, logprob }))
  }
  const [sampled] = logprobs.content
  if (!sampled) return []
  const top = (sampled.top_logprobs ?? []).map(({ token, logprob }) => ({ token, logprob }))
  // Some servers leave the sampled token out of the alternatives.
  const listed = top.some(({ token }) => token === sampled.token)
  return listed ? top : [{ token: sampled.token, logprob: sampled.logprob }, ...top]
}
