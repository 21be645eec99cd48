import type { FirstTokenLogprobs, JudgeClient } from '../ports.ts'
import type { Judge } from '../schemas/judge.ts'
import { probabilityOfYes, type Judgment } from './probability.ts'
import { renderJudgment, type ChatMessage, type JudgeItem } from './template.ts'

/** What scoring needs of a judge. `id` names one immutable version, so it is the judge's part of a cache key. */
export type ScoringJudge = Pick<Judge, 'id' | 'template' | 'labels' | 'min_label_mass'>

export interface CachedJudgment {
  probability: number
  labelMass: number
}

/** Where scored judgments are kept, by {@link cacheKey}. */
export interface JudgmentCache {
  getMany(keys: readonly string[]): Promise<Map<string, CachedJudgment>>
  putMany(entries: ReadonlyMap<string, CachedJudgment>): Promise<void>
}

export type ScoredItem = Judgment & {
  /** Whether the judgment came from the cache: no token was spent on it. */
  cached: boolean
  /** Tokens spent on this item; zero for cached items and for repeats of an item within one call. */
  usage: { promptTokens: number; completionTokens: number }
}

const NO_USAGE = { promptTokens: 0, completionTokens: 0 }

/** sha256 (hex) of judge version and rendered prompt: equal keys mean an equal judgment. */
export async function cacheKey(judgeVersion: string, messages: readonly ChatMessage[]): Promise<string> {
  const content = JSON.stringify([judgeVersion, messages.map(({ role, content }) => [role, content])])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Judges items, in order. Equal prompts are asked once; known ones come from the cache; only scored judgments are
 * written back, so an abstention or a failure is asked again next time. One item's failure is that item's outcome.
 *
 * @throws whatever the cache throws; the signal's reason when it was aborted
 */
export async function scoreItems(
  items: readonly JudgeItem[],
  judge: ScoringJudge,
  client: JudgeClient,
  cache: JudgmentCache,
  signal?: AbortSignal,
): Promise<ScoredItem[]> {
  const prompts = items.map((item) => renderJudgment(judge.template, judge.labels, item))
  const keys = await Promise.all(prompts.map((messages) => cacheKey(judge.id, messages)))
  const promptByKey = new Map(keys.map((key, i) => [key, prompts[i]]))

  const known = await cache.getMany([...promptByKey.keys()])
  const results = new Map<string, ScoredItem>()
  for (const [key, hit] of known) results.set(key, { outcome: 'scored', ...hit, cached: true, usage: NO_USAGE })

  const missing = [...promptByKey].filter(([key]) => !known.has(key))
  if (missing.length > 0) {
    const asked = await askJudge(
      missing.map(([, messages]) => messages),
      judge,
      client,
      signal,
    )
    const fresh = new Map<string, CachedJudgment>()
    asked.forEach((result, i) => {
      const key = missing[i][0]
      results.set(key, result)
      if (result.outcome === 'scored') fresh.set(key, { probability: result.probability, labelMass: result.labelMass })
    })
    if (fresh.size > 0) await cache.putMany(fresh)
  }

  const seen = new Set<string>()
  return keys.map((key) => {
    const result = results.get(key)!
    const repeat = seen.has(key)
    seen.add(key)
    return repeat ? { ...result, usage: NO_USAGE } : result
  })
}

async function askJudge(
  prompts: ChatMessage[][],
  judge: ScoringJudge,
  client: JudgeClient,
  signal?: AbortSignal,
): Promise<ScoredItem[]> {
  const labels = [judge.labels.yes, judge.labels.no]
  const requests = prompts.map((messages) => ({ messages, labels }))
  const answers: (FirstTokenLogprobs | Error)[] = await client
    .firstTokenLogprobs(requests, signal)
    .catch((error: unknown) => {
      signal?.throwIfAborted()
      const failure = error instanceof Error ? error : new Error(String(error))
      return prompts.map(() => failure)
    })
  return prompts.map((_, i) => {
    const answer = answers.at(i) ?? new Error('the judge gave fewer answers than it was asked for')
    if (answer instanceof Error) return { outcome: 'failed', reason: answer.message, cached: false, usage: NO_USAGE }
    const judgment = probabilityOfYes(answer.logprobs, judge.labels, judge.min_label_mass)
    return { ...judgment, cached: false, usage: answer.usage }
  })
}
