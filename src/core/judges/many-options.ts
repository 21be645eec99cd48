import type { Judge } from '../schemas/judge.ts'
import { labelsAmong, type LabelQuestion, type LabelScores } from './score-labels.ts'
import { NO_USAGE, sumTokens } from './token-usage.ts'

/** Most options of a group, where not all are asked about at once: as many as 20 alternatives are enough for. */
const GROUP = labelsAmong(20)

/**
 * Most options asked about at once of a judge that was not tried: as many as there are letters where it tells of every
 * label; fewer where it only tells of its likeliest tokens, of which it is asked for 20.
 */
const AT_ONCE = {
  openai: GROUP,
  huggingface: GROUP,
  decisions: 26,
  systemone: 26,
  rerank: 26,
  workers_ai: GROUP,
  local: 26,
  ensemble: 26,
} satisfies Record<Judge['provider']['type'], number>

/** What is needed of a judge to know how many options it is asked about at once. */
export interface AskedJudge {
  provider: Pick<Judge['provider'], 'type'>
  probe?: Pick<NonNullable<Judge['probe']>, 'takes' | 'alternatives'> | undefined
}

/** A question that is answered by one of its options. */
export interface Choice {
  /** How many; 0 where `put` needs to know of none, and the question is asked once. One alone is certain and not asked about. */
  options: number
  /** The prompt that offers some of them, by where they stand, and the labels that answer it, in their order. */
  put(among: readonly number[]): LabelQuestion
}

type Ask = (asked: LabelQuestion[]) => Promise<LabelScores[]>

/** What is said of an option that is alone in its group, without asking. */
const CERTAIN: LabelScores = {
  outcome: 'scored',
  probabilities: [1],
  labelMass: 1,
  cached: false,
  usage: NO_USAGE,
}
const isAsked = (group: readonly number[]) => group.length !== 1

/**
 * How a judge chooses, in order. Where there are more options than it is asked about at once, it is asked about groups
 * of them, and then likewise about the likeliest of each.
 *
 * @param ask puts prompts to the judge; called once a round: once, and again where there are groups, and groups of groups
 * @throws whatever `ask` and `put` throw
 */
export function choose(choices: readonly Choice[], judge: AskedJudge, ask: Ask): Promise<LabelScores[]> {
  const all = choices.map(({ options, put }) => ({ among: Array.from({ length: options }, (_, i) => i), put }))
  return chooseAmong(all, judge, ask)
}

/** @param open questions, each with the options that are still in it, by where they stand */
async function chooseAmong(
  open: readonly { among: readonly number[]; put: Choice['put'] }[],
  judge: AskedJudge,
  ask: Ask,
): Promise<LabelScores[]> {
  const plans = open.map(({ among, put }) => ({
    put,
    groups: groupsOf(among.length, judge).map((group) => group.map((i) => among[i]!)),
  }))
  const asked = plans.flatMap(({ put, groups }) => groups.filter(isAsked).map((group) => put(group)))
  const answers = asked.length === 0 ? [] : await ask(asked)
  let next = 0
  const within = plans.map(({ groups }) => groups.map((group) => (isAsked(group) ? answers[next++]! : CERTAIN)))

  const undecided = plans.flatMap(({ put, groups }, i) => {
    const among = groups.flatMap((group, g) => {
      const scores = within[i]![g]!
      return scores.outcome === 'scored' ? [group[likeliest(scores.probabilities)]!] : []
    })
    return groups.length > 1 && among.length === groups.length ? [{ i, among, put }] : []
  })
  const decided = undecided.length === 0 ? [] : await chooseAmong(undecided, judge, ask)
  const finals = new Map(undecided.map(({ i }, k) => [i, decided[k]!]))
  return within.map((scores, i) => {
    if (scores.length === 1) return scores[0]!
    const final = finals.get(i)
    return joinScores(final ? [...scores, final] : scores, (all) => joinGroups(all.slice(0, -1), all.at(-1)!))
  })
}

/** How many prompts questions with so many options each make. */
export function promptsOf(options: readonly number[], judge: AskedJudge): number {
  const prompts = options.map((count): number => {
    const groups = groupsOf(count, judge)
    return groups.filter(isAsked).length + (groups.length > 1 ? promptsOf([groups.length], judge) : 0)
  })
  return prompts.reduce((sum, count) => sum + count, 0)
}

/** The index of the likeliest; the first of equals. */
export function likeliest(probabilities: readonly number[]): number {
  return probabilities.indexOf(Math.max(...probabilities))
}

/** Where options stand that are asked about together: all of them, or groups that differ by at most one in size. */
export function groupsOf(options: number, judge: AskedJudge): number[][] {
  const atOnce = optionsAtOnce(judge)
  const count = options <= atOnce ? 1 : Math.ceil(options / Math.min(atOnce, GROUP))
  const edge = (group: number) => Math.floor((group * options) / count)
  return Array.from({ length: count }, (_, group) =>
    Array.from({ length: edge(group + 1) - edge(group) }, (_, i) => edge(group) + i),
  )
}

/** Most options that a judge is asked about at once: as its provider was found to tell of tokens, where it was tried. */
function optionsAtOnce({ provider, probe }: AskedJudge): number {
  if (!probe?.takes) return AT_ONCE[provider.type]
  // Some take any number, and give fewer in silence. One that gave none at all is not asked more often for that.
  return labelsAmong(Math.min(probe.takes.top_logprobs, probe.alternatives || Infinity))
}

/**
 * One distribution from those within groups and that among the groups' winners. By Luce's choice axiom (1959), the ratio
 * of two options' probabilities is the same whatever else is on offer, as it is for a softmax of one score an option; so an
 * option is to its group's winner as within the group, and winners are to each other as among themselves. Exact where
 * the axiom holds; the likeliest is always the winner of winners.
 *
 * @param within of each group, in order of the options
 * @param winners of the likeliest of each group, in order of the groups
 * @returns in order of the options, summing to 1
 */
function joinGroups(within: readonly (readonly number[])[], winners: readonly number[]): number[] {
  const shares = within.flatMap((group, g) => group.map((p) => (winners[g]! * p) / Math.max(...group)))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => share / total)
}

/** What came of several questions that answer one: scored when all are, on the least of their label masses. */
function joinScores(scores: readonly LabelScores[], join: (probabilities: number[][]) => number[]): LabelScores {
  const cached = scores.every((score) => score.cached || score === CERTAIN)
  const usage = sumTokens(scores.map((score) => score.usage))
  const silent = scores.find(({ outcome }) => outcome === 'failed') ?? scores.find((s) => s.outcome === 'abstained')
  if (silent) return { ...silent, cached, usage }
  const scored = scores.flatMap((score) => (score.outcome === 'scored' ? [score] : []))
  const labelMass = Math.min(...scored.map((score) => score.labelMass))
  const probabilities = join(scored.map((score) => score.probabilities))
  return { outcome: 'scored', probabilities, labelMass, cached, usage }
}
