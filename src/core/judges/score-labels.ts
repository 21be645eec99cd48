import type { ErrorCode } from '../errors.ts'
import type { FirstTokenLogprobs, JudgeClient, TokenUsage } from '../ports.ts'
import { unlimited, type WorkBudget } from '../work-budget.ts'
import { carriesLabel } from './labels.ts'
import { labelMasses } from './probability.ts'
import { charsOf, KeysAtOnce, partsOf, type Prompt } from './prompt-parts.ts'
import {
  cacheKey,
  failed,
  sumUsage,
  type AskingOptions,
  type CachedJudgment,
  type JudgmentCache,
  type ScoringJudge,
} from './score-items.ts'
import type { ChatMessage } from './template.ts'
import { NO_USAGE } from './token-usage.ts'

/** A prompt whose first answered token is to be one of some labels. */
export interface LabelQuestion {
  /** Makes it anew each time. */
  messages(): ChatMessage[]
  /** At least two, each a single token of the judge, none a variant of another. */
  labels: readonly string[]
  /** The field that it comes from. */
  at: string
}

interface KeyedQuestion extends Prompt {
  question: LabelQuestion
}

/** How a judge's answer falls on the labels. As with a judgment, only `scored` carries numbers. */
export type LabelScores = (
  | {
      outcome: 'scored'
      /** In order of the labels, summing to 1. */
      probabilities: number[]
      labelMass: number
    }
  | { outcome: 'abstained'; labelMass: number; reason: string }
  | { outcome: 'failed'; reason: string; code?: ErrorCode }
) & { cached: boolean; usage: TokenUsage }

/**
 * How many labels can be told of in so many alternatives of a token: four fifths, as spellings of a label take places, too,
 * and two at least.
 */
export const labelsAmong = (alternatives: number): number => Math.max(2, Math.floor((4 * alternatives) / 5))

/**
 * Asks a judge questions with fixed answers, in order: p(label) of the first token, normalised over the labels. Scored
 * answers are kept in the cache of judgments, an entry a label.
 *
 * @throws whatever the cache throws; the signal's reason when it was aborted; by the budget `prompt_too_long`,
 *   `too_large` or `busy`
 */
export async function scoreLabels(
  questions: readonly LabelQuestion[],
  judge: Pick<ScoringJudge, 'id' | 'min_label_mass'>,
  client: JudgeClient,
  cache: JudgmentCache,
  { signal, work = unlimited() }: AskingOptions = {},
): Promise<LabelScores[]> {
  const keyed = await withKeys(questions, judge.id, work)
  const entries = keyed.flatMap(({ key, question }) => question.labels.map((_, k) => `${key}:${k}`))
  const known = await cache.getMany(judge.id, entries)
  const results = new Map<string, LabelScores>()
  const missing = new Map<string, KeyedQuestion>()
  for (const prompt of keyed) {
    const { key, question } = prompt
    const hits = question.labels.map((_, k) => known.get(`${key}:${k}`)).filter((hit) => hit !== undefined)
    const [first] = hits
    if (!first || hits.length < question.labels.length) {
      missing.set(key, prompt)
      continue
    }
    const probabilities = hits.map(({ probability }) => probability)
    results.set(key, { outcome: 'scored', probabilities, labelMass: first.labelMass, cached: true, usage: NO_USAGE })
  }

  for (const part of partsOf([...missing.values()])) {
    const fresh = new Map<string, CachedJudgment>()
    const asked = await ask(part, judge, client, work, signal)
    for (const [i, { key }] of part.entries()) {
      const scores = asked[i]!
      results.set(key, scores)
      if (scores.outcome !== 'scored') continue
      const { probabilities, labelMass } = scores
      probabilities.forEach((probability, k) => fresh.set(`${key}:${k}`, { probability, labelMass }))
    }
    await cache.putMany(judge.id, fresh, sumUsage(asked))
  }

  const seen = new Set<string>()
  return keyed.map(({ key }) => {
    const result = results.get(key)!
    const repeat = seen.has(key)
    seen.add(key)
    return repeat ? { ...result, usage: NO_USAGE } : result
  })
}

async function withKeys(
  questions: readonly LabelQuestion[],
  judge: string,
  work: WorkBudget,
): Promise<KeyedQuestion[]> {
  const keyed: KeyedQuestion[] = []
  const keys = new KeysAtOnce()
  for (const question of questions) {
    const { at, labels } = question
    if (work.due) await work.turn()
    const messages = work.piece(at, () => question.messages())
    const prompt = { key: '', chars: charsOf(messages), render: () => question.messages(), question }
    work.prompt(prompt.chars, at)
    keyed.push(prompt)
    const key = cacheKey(`${judge}\n${JSON.stringify(labels)}`, messages)
    await keys.add(key.then((made) => (prompt.key = made)), prompt.chars) // prettier-ignore
  }
  await keys.done()
  return keyed
}

async function ask(
  prompts: readonly KeyedQuestion[],
  judge: Pick<ScoringJudge, 'id' | 'min_label_mass'>,
  client: JudgeClient,
  work: WorkBudget,
  signal?: AbortSignal,
): Promise<LabelScores[]> {
  const questions = await work.map(
    prompts,
    (i) => prompts[i]!.question.at,
    ({ question: { labels }, render }) => ({ labels, messages: render() }),
  )
  const answers = await client.firstTokenLogprobs(questions, signal).catch((error: unknown) => {
    signal?.throwIfAborted()
    const failure = error instanceof Error ? error : new Error(String(error))
    return questions.map(() => failure)
  })
  return questions.map(({ labels }, i) => {
    const answer = answers.at(i) ?? new Error('the judge gave fewer answers than it was asked for')
    if (answer instanceof Error) return failed(answer)
    const read = labelMasses(answer.logprobs, labels, judge.min_label_mass)
    const reason = read.outcome === 'failed' ? null : cutOff(answer, labels, read.labelMass, judge)
    if (reason !== null) {
      return { outcome: 'failed', reason, code: 'unprocessable', cached: false, usage: answer.usage }
    }
    if (read.outcome !== 'scored') return { ...read, cached: false, usage: answer.usage }
    const masses = read.logMasses.map((logMass) => Math.exp(logMass - Math.max(...read.logMasses)))
    const total = masses.reduce((sum, mass) => sum + mass, 0)
    const probabilities = masses.map((mass) => mass / total)
    return { outcome: 'scored', probabilities, labelMass: read.labelMass, cached: false, usage: answer.usage }
  })
}

/**
 * Why an answer of few alternatives tells nothing of labels: one that is not among them may be the next likeliest, and would
 * count as 0. Null where it tells enough: of every label, or that something else was answered, however likely the unseen are.
 */
function cutOff(
  { logprobs, complete }: FirstTokenLogprobs,
  labels: readonly string[],
  labelMass: number,
  { id, min_label_mass: least }: Pick<ScoringJudge, 'id' | 'min_label_mass'>,
): string | null {
  const { length } = logprobs
  const atOnce = labelsAmong(length)
  // Places for all, and for one that is no label: so many are enough, should a few of those that were asked for be missing.
  if (complete || labels.length <= atOnce || labels.length < length) return null
  if (labels.every((label) => logprobs.some(({ token }) => carriesLabel(token, label)))) return null
  const seen = logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)
  if (labelMass + Math.max(0, 1 - seen) < least) return null
  return (
    `the judge's provider gives ${length} alternatives, beyond which answers go unseen, so it can be asked about ` +
    `${atOnce} options at once, and was asked about ${labels.length}. Try it with \`gavel judge doctor ${id}\` ` +
    `(POST /v1/judges/${id}/probe), which makes that known: from then on it is asked about more in groups`
  )
}
