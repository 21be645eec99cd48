import type { LabelScores } from './score-labels.ts'

/** Most options that one letter each can tell apart, and so that are asked at once. */
const AT_ONCE = 26
/** Options of a group, where there are more: providers tell of 20 tokens, spellings of a letter among them. */
const GROUP = 16
/** Most options at all: as many groups as a group has options make the last question. */
export const MAX_OPTIONS = GROUP * GROUP - 1

/** Where options stand that are asked about together: all of them, or groups that differ by at most one in size. */
export function groupsOf(options: number): number[][] {
  const count = options <= AT_ONCE ? 1 : Math.ceil(options / GROUP)
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
export function joinGroups(within: readonly (readonly number[])[], winners: readonly number[]): number[] {
  const shares = within.flatMap((group, g) => group.map((p) => (winners[g] * p) / Math.max(...group)))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => share / total)
}

/** What came of several questions that answer one: scored when all are, on the least of their label masses. */
export function joinScores(scores: readonly LabelScores[], join: (probabilities: number[][]) => number[]): LabelScores {
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
