import { GavelError, type ErrorCode } from '../errors.ts'
import { mean } from '../moments.ts'
import type { FirstTokenLogprobs, JudgeClient, TokenUsage } from '../ports.ts'
import type { Judge } from '../schemas/judge.ts'
import { sha256Hex } from '../sha256.ts'
import { calibrate } from '../stats/calibration-map.ts'
import { JudgeFailure } from './judge-failure.ts'
import { probabilityOfYes, type Judgment } from './probability.ts'
import { unlimited, type WorkBudget } from '../work-budget.ts'
import { charsOf, KeysAtOnce, partsOf, type Prompt } from './prompt-parts.ts'
import { renderer, type ChatMessage, type JudgeItem, type Renderer, type Rendering } from './template.ts'
import { NO_USAGE, sumTokens } from './token-usage.ts'

/** What scoring needs of a judge. `id` names one immutable version, so it is the judge's part of a cache key. */
export type ScoringJudge = Pick<Judge, 'id' | 'min_label_mass'> & Renderer & Partial<Pick<Judge, 'calibration'>>

export interface CachedJudgment {
  probability: number
  labelMass: number
}

/** Where scored judgments are kept, by {@link cacheKey}; `judge` is the version that gave them. */
export interface JudgmentCache {
  getMany(judge: string, keys: readonly string[]): Promise<Map<string, CachedJudgment>>
  /**
   * Keeps what is new. Answers what is kept now: of two that were had at the same time, the first.
   * @param used what asking for these took, and for all that came to nothing: what is kept is paid for
   */
  putMany(
    judge: string,
    entries: ReadonlyMap<string, CachedJudgment>,
    used: TokenUsage,
  ): Promise<Map<string, CachedJudgment>>
}

/** Keeps nothing: everything is asked anew. */
export const NO_CACHE: JudgmentCache = {
  getMany: async () => new Map(),
  putMany: async (_judge, entries) => new Map(entries),
}

export type ScoredItem = Judgment & {
  /** Whether the judgment came from the cache: no token was spent on it. */
  cached: boolean
  /** Tokens spent on this item; zero for cached items and for repeats of an item within one call. */
  usage: TokenUsage
  /** How long the provider took, in ms; null where it was not asked, or gave no answer. */
  latencyMs?: number | null
  /** Of what failed: why, where that is known. */
  code?: ErrorCode
  /** Of an ensemble: what each of its judges said. */
  members?: { judge: string; outcome: Judgment['outcome']; probability: number | null }[]
}

/** sha256 (hex) of judge version and rendered prompt: equal keys mean an equal judgment. */
export function cacheKey(judgeVersion: string, messages: readonly ChatMessage[]): Promise<string> {
  const content = JSON.stringify([judgeVersion, messages.map(({ role, content }) => [role, content])])
  return sha256Hex(content)
}

/** The version that a judge's raw probabilities are kept under: calibrating changes none of them. */
export const cacheVersion = ({ id, calibration }: Pick<ScoringJudge, 'id' | 'calibration'>) => calibration?.base ?? id

/** The surroundings of asking: whether anybody still waits, and what may be spent on it. */
export interface AskingOptions {
  signal?: AbortSignal | undefined
  /** By itself whatever it takes. */
  work?: WorkBudget | undefined
}

/** How an item is asked: a prompt a way; or why it cannot be. */
type Plan = { prompt: Prompt; inverted: boolean }[] | GavelError

/**
 * Judges items, in order. Equal prompts are asked once; known ones come from the cache; only scored judgments are
 * written back, so an abstention or a failure is asked again next time. One item's failure is that item's outcome.
 * A debiased judge is asked about an item in several ways, whose probabilities are averaged; where one of them gives no
 * score, the item has none.
 *
 * @throws whatever the cache throws; the signal's reason when it was aborted before anything was answered, and by the
 *   budget `too_large` or `busy`; later the answers are given, and what was not answered has failed by that reason
 */
export async function scoreItems(
  items: readonly JudgeItem[],
  judge: ScoringJudge,
  client: JudgeClient,
  cache: JudgmentCache,
  { signal, work = unlimited() }: AskingOptions = {},
): Promise<ScoredItem[]> {
  const plans = await planPrompts(items, judge, work)
  const prompts = plans.flatMap((plan) => (plan instanceof GavelError ? [] : plan.map(({ prompt }) => prompt)))
  const answers = await askPrompts(prompts, judge, client, cache, signal, work)
  let next = 0
  return plans.map((plan) => {
    if (plan instanceof GavelError) return failed(plan)
    const own = plan.map(({ inverted }) => ({ answer: answers[next++]!, inverted }))
    return calibrated(own.length === 1 ? own[0]!.answer : averaged(own), judge)
  })
}

async function planPrompts(items: readonly JudgeItem[], judge: ScoringJudge, work: WorkBudget): Promise<Plan[]> {
  const render = renderer(judge)
  const version = cacheVersion(judge)
  const plans: Plan[] = []
  const keys = new KeysAtOnce()
  for (const [i, item] of items.entries()) {
    const at = `items[${i}]`
    if (work.due) await work.turn()
    const ways = work.piece(at, () => renderOrFail(render, item, (chars) => work.prompt(chars, at)))
    if (ways instanceof GavelError) {
      plans.push(ways)
      continue
    }
    const plan = ways.map(({ messages, inverted }, way) => {
      const prompt: Prompt = { key: '', chars: charsOf(messages), render: () => render(item)[way]!.messages }
      return { prompt, inverted, keyed: cacheKey(version, messages).then((key) => (prompt.key = key)) }
    })
    plans.push(plan.map(({ prompt, inverted }) => ({ prompt, inverted })))
    for (const { keyed, prompt } of plan) await keys.add(keyed, prompt.chars)
  }
  await keys.done()
  return plans
}

/** What is wrong with one item alone is its own outcome. */
function renderOrFail(
  render: ReturnType<typeof renderer>,
  item: JudgeItem,
  charge: (chars: number) => void,
): Rendering[] | GavelError {
  try {
    return render(item, charge)
  } catch (error) {
    if (error instanceof GavelError && (error.param === 'reference' || error.code === 'prompt_too_long')) return error
    throw error
  }
}

/** P(Yes) of prompts, in order: from the cache where known, else from the judge. */
async function askPrompts(
  prompts: readonly Prompt[],
  judge: ScoringJudge,
  client: JudgeClient,
  cache: JudgmentCache,
  signal: AbortSignal | undefined,
  work: WorkBudget,
): Promise<ScoredItem[]> {
  const version = cacheVersion(judge)
  const promptByKey = new Map(prompts.map((prompt) => [prompt.key, prompt]))

  const known = await cache.getMany(version, [...promptByKey.keys()])
  const results = new Map<string, ScoredItem>()
  for (const [key, hit] of known) results.set(key, { outcome: 'scored', ...hit, cached: true, usage: NO_USAGE })

  const missing = [...promptByKey.values()].filter(({ key }) => !known.has(key))
  let isFirst = true
  for (const part of partsOf(missing)) {
    const asked = await askJudge(part, judge, client, signal, work, !isFirst)
    isFirst = false
    const fresh = new Map<string, CachedJudgment>()
    asked.forEach((result, i) => {
      const { key } = part[i]!
      results.set(key, result)
      if (result.outcome === 'scored') fresh.set(key, { probability: result.probability, labelMass: result.labelMass })
    })
    const kept = await cache.putMany(version, fresh, sumUsage(asked))
    // So that whoever asks again, or goes on after a fault, is told what all the others were.
    for (const [key, judgment] of kept) results.set(key, { ...results.get(key)!, ...judgment })
  }

  const seen = new Set<string>()
  return prompts.map(({ key }) => {
    const result = results.get(key)!
    const repeat = seen.has(key)
    seen.add(key)
    return repeat ? { ...result, usage: NO_USAGE } : result
  })
}

/** What becomes of a question that the judge could not be had for. */
export const failed = (error: Error) => ({
  outcome: 'failed' as const,
  reason: error.message,
  ...(error instanceof GavelError && { code: error.code }),
  cached: false,
  usage: error instanceof JudgeFailure ? error.usage : NO_USAGE,
})

/** @param answered whether others were, which are then the caller's whatever happens: they are paid for */
async function askJudge(
  prompts: readonly Prompt[],
  judge: ScoringJudge,
  client: JudgeClient,
  signal: AbortSignal | undefined,
  work: WorkBudget,
  answered: boolean,
): Promise<ScoredItem[]> {
  const labels = [judge.labels.yes, judge.labels.no]
  const failAll = (error: unknown) => {
    const failure = error instanceof Error ? error : new Error(String(error))
    return prompts.map(() => failure)
  }
  let made: ChatMessage[][]
  try {
    made = await work.map(prompts, () => 'items', (prompt) => prompt.render()) // prettier-ignore
  } catch (error) {
    if (!answered) throw error
    return failAll(error).map(failed)
  }
  const requests = made.map((messages) => ({ messages, labels }))
  const answers: (FirstTokenLogprobs | Error)[] = await client
    .firstTokenLogprobs(requests, signal)
    .catch((error: unknown) => {
      if (!answered) signal?.throwIfAborted()
      return failAll(error)
    })
  return prompts.map((_, i) => {
    return scoredFrom(answers.at(i) ?? new Error('the judge gave fewer answers than it was asked for'), judge)
  })
}

/** What an answer of a judge's client comes to. */
export function scoredFrom(
  answer: FirstTokenLogprobs | Error,
  judge: Pick<ScoringJudge, 'labels' | 'min_label_mass'>,
): ScoredItem {
  if (answer instanceof Error) return failed(answer)
  const judgment = probabilityOfYes(answer.logprobs, judge.labels, judge.min_label_mass)
  return { ...judgment, cached: false, usage: answer.usage, latencyMs: answer.latencyMs ?? null }
}

/** The mean of what a judge said when asked in several ways. The ways were asked at the same time. */
function averaged(ways: readonly { answer: ScoredItem; inverted: boolean }[]): ScoredItem {
  const answers = ways.map(({ answer }) => answer)
  const shared = {
    cached: answers.every(({ cached }) => cached),
    usage: sumUsage(answers),
    latencyMs: longest(answers),
  }
  const silent = answers.find(({ outcome }) => outcome === 'failed') ?? answers.find((a) => a.outcome === 'abstained')
  if (silent) return { ...silent, ...shared }
  const scored = ways.flatMap(({ answer, inverted }) => (answer.outcome === 'scored' ? [{ ...answer, inverted }] : []))
  return {
    outcome: 'scored',
    probability: mean(scored.map(({ probability, inverted }) => (inverted ? 1 - probability : probability)))!,
    labelMass: mean(scored.map(({ labelMass }) => labelMass))!,
    ...shared,
  }
}

/** The score through the judge's calibration, where it has one; what it was before is kept beside it. */
export function calibrated(item: ScoredItem, { calibration }: Pick<ScoringJudge, 'calibration'>): ScoredItem {
  if (item.outcome !== 'scored' || !calibration) return item
  return { ...item, probability: calibrate(calibration.map, item.probability), raw: item.probability }
}

/** All tokens of some items. */
export const sumUsage = (items: readonly Pick<ScoredItem, 'usage'>[]): TokenUsage =>
  sumTokens(items.map(({ usage }) => usage))

/** The longest latency of items that were asked at the same time; null where none was measured. */
export function longest(items: readonly Pick<ScoredItem, 'latencyMs'>[]): number | null {
  const known = items.flatMap(({ latencyMs }) => latencyMs ?? [])
  return known.length === 0 ? null : Math.max(...known)
}
