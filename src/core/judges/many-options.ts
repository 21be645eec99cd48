import type { Judge } from '../schemas/judge.ts'
import type { LabelQuestion, LabelScores } from './score-labels.ts'

/** Options of a group, where not all are asked about at once. */
const GROUP = 16

/**
 * Most options asked about at once: as many as there are letters where a judge tells of every label; fewer where it only
 * tells of its 20 likeliest tokens, spellings of a letter among them, since a letter that is not there would count as 0.
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
}

/** A question that is answered by one of its options. */
export interface Choice {
  /** How many; 0 where `put` needs to know of none, and the question is asked once. One alone is certain and not asked about. */
  options: number
  /** The prompt that offers some of them, by where they stand, and the labels that answer it, in their order. */
  put(among: readonly number[]): LabelQuestion
}

const CERTAIN: LabelScores = {
  outcome: 'scored',
  probabilities: [1],
  labelMass: 1,
  cached: false,
  usage: { promptTokens: 0, completionTokens: 0 },
}

/**
 * How a judge chooses, in order. Where there are more options than it is asked about at once, it is asked about groups
 * of them, and then about the likeliest of each.
 *
 * @param ask puts prompts to the judge; called once, and once more where there are groups
 * @throws whatever `ask` and `put` throw
 */
export async function choose(
  choices: readonly Choice[],
  judge: AskedJudge,
  ask: (asked: LabelQuestion[]) => Promise<LabelScores[]>,
): Promise<LabelScores[]> {
  const plans = choices.map(({ options, put }) => ({ put, groups: groupsOf(options, judge) }))
  const first = await ask(plans.flatMap(({ put, groups }) => groups.map((group) => put(group))))
  let next = 0
  const answers = plans.map(({ put, groups }) => ({
    put,
    within: groups.map((group) => ({ group, scores: first[next++]! })),
  }))

  const open = answers.flatMap(({ put, within }, i) => {
    if (within.length < 2) return []
    const winners = within.flatMap(({ group, scores }) =>
      scores.outcome === 'scored' ? [group[likeliest(scores.probabilities)]!] : [],
    )
    return winners.length === within.length ? [{ i, asked: put(winners) }] : []
  })
  const last = open.length === 0 ? [] : await ask(open.map(({ asked }) => asked))
  const finals = new Map(open.map(({ i }, k) => [i, last[k]!]))
  return answers.map(({ within }, i) => {
    const scores = within.map((one) => one.scores)
    const [first, second] = scores
    if (!first) return CERTAIN
    if (!second) return first
    const final = finals.get(i)
    return joinScores(final ? [...scores, final] : scores, (all) => joinGroups(all.slice(0, -1), all.at(-1)!))
  })
}

/** How many prompts questions with so many options each make. */
export function promptsOf(options: readonly number[], judge: AskedJudge): number {
  const prompts = options.map((count) => {
    const { length } = groupsOf(count, judge)
    return length > 1 ? length + 1 : length
  })
  return prompts.reduce((sum, count) => sum + count, 0)
}

/** The index of the likeliest; the first of equals. */
export function likeliest(probabilities: readonly number[]): number {
  return probabilities.indexOf(Math.max(...probabilities))
}

/**
 * Where options stand that are asked about together: all of them, or groups that differ by at most one in size; none
 * where there is but one.
 */
export function groupsOf(options: number, { provider }: AskedJudge): number[][] {
  if (options === 1) return []
  const count = options <= AT_ONCE[provider.type] ? 1 : Math.ceil(options / GROUP)
  const edge = (group: number) => Math.floor((group * options) / count)
  return Array.from({ length: count }, (_, group) =>
    Array.from({ length: edge(group + 1) - edge(group) }, (_, i) => edge(group) + i),
  )
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
  const cached = scores.every((score) => score.cached)
  const sum = (of: 'promptTokens' | 'completionTokens') => scores.reduce((total, { usage }) => total + usage[of], 0)
  const usage = { promptTokens: sum('promptTokens'), completionTokens: sum('completionTokens') }
  const silent = scores.find(({ outcome }) => outcome === 'failed') ?? scores.find((s) => s.outcome === 'abstained')
  if (silent) return { ...silent, cached, usage }
  const scored = scores.flatMap((score) => (score.outcome === 'scored' ? [score] : []))
  const labelMass = Math.min(...scored.map((score) => score.labelMass))
  const probabilities = join(scored.map((score) => score.probabilities))
  return { outcome: 'scored', probabilities, labelMass, cached, usage }
}
