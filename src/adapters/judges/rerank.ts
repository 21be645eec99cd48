/** Rerankers behind /rerank: a query and a document in, how well the document answers the query out. */
import * as v from 'valibot'
import type { JudgeClient } from '../../core/ports.ts'
import { providerJudgeClient, type ProviderOptions } from './provider-call.ts'
import { postJson, readAnswer, urlBelow } from './provider-request.ts'

export interface RerankOptions extends ProviderOptions {
  /** Before `/rerank`: `https://host/v1`. */
  baseUrl: string
  /** Null where the server has only one. */
  model: string | null
  dialect: 'jina' | 'tei'
  /** Whether scores are log-odds, to be put through the logistic function. */
  rawScores: boolean
}

const REQUESTS = {
  jina: (model, query, document) => ({ ...(model !== null && { model }), query, documents: [document] }),
  tei: (_, query, document) => ({ query, texts: [document], truncate: true }),
} satisfies Record<RerankOptions['dialect'], (model: string | null, query: string, document: string) => object>

const result = v.object({
  index: v.literal(0),
  relevance_score: v.optional(v.number()),
  score: v.optional(v.number()),
})
const one = v.pipe(v.array(result), v.length(1))
/** Jina, Cohere and vLLM wrap the list; TEI and SGLang answer it alone. */
const answer = v.union([v.object({ results: one }), one])

/**
 * A judge that is a reranker. Its template puts the question into the system message, which is the query, and the answer
 * into the user's, which is the document; the score, in [0, 1], stands for P(Yes).
 */
export function rerankJudgeClient(options: RerankOptions): JudgeClient {
  const { baseUrl, model, dialect, rawScores, apiKey } = options
  const url = urlBelow(baseUrl, '/rerank')
  return providerJudgeClient(async ({ messages, labels: [yes, no] }, _, fetch) => {
    const body = REQUESTS[dialect](model, messages[0]!.content, messages.at(-1)!.content)
    const read = v.safeParse(answer, await readAnswer(await fetch(url, postJson(url, apiKey, body))))
    if (!read.success) throw new Error(`its answer is no ranking of one document: ${read.issues[0].message}`)
    const { relevance_score, score } = (Array.isArray(read.output) ? read.output : read.output.results)[0]!
    const p = probabilityOf(relevance_score ?? score, rawScores)
    const logprobs = [
      { token: yes!, logprob: Math.log(p) },
      { token: no!, logprob: Math.log1p(-p) },
    ]
    return { logprobs, complete: true }
  }, options)
}

/** @throws Error for a score that is no probability: it would mean something else */
function probabilityOf(score: number | undefined, isRaw: boolean): number {
  if (score === undefined) throw new Error('its answer has no score')
  const probability = isRaw ? 1 / (1 + Math.exp(-score)) : score
  if (probability >= 0 && probability <= 1) return probability
  throw new Error(`its score ${score} is not within 0 and 1; set raw_scores where the server gives log-odds`)
}
