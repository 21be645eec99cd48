import type { WorkBudget } from '../work-budget.ts'

/** An answer as a vote: which value it is for, and whether that value is right. Null: it states no answer, no vote. */
export type Vote = { value: number; correct: boolean } | null

/**
 * How far the value with the most votes is right: 1 or 0, and where several lead, the share of them that is right, which
 * is the chance of a fair draw between them. 0 where nobody votes.
 */
export function majorityVote(votes: readonly Vote[]): number {
  const counts = new Map<number, { votes: number; correct: boolean }>()
  for (const vote of votes) {
    if (!vote) continue
    const count = counts.get(vote.value)
    if (count) count.votes++
    else counts.set(vote.value, { votes: 1, correct: vote.correct })
  }
  const most = Math.max(0, ...[...counts.values()].map(({ votes }) => votes))
  const leading = [...counts.values()].filter(({ votes }) => votes === most)
  return leading.length === 0 ? 0 : leading.filter(({ correct }) => correct).length / leading.length
}

/**
 * Majority vote over k of n answers (Wang et al., arXiv 2203.11171): the mean over the ⌊n/k⌋ groups of k that the
 * answers make in the order they were drawn, so that every whole group counts and none twice.
 *
 * @throws RangeError unless 1 ≤ k ≤ n
 */
export function majorityAtK(votes: readonly Vote[], k: number): number {
  if (!(Number.isInteger(k) && k >= 1 && k <= votes.length))
    throw new RangeError(`majority@${k} of ${votes.length} answers: a whole number with 1 ≤ k ≤ n`)
  const groups = Math.floor(votes.length / k)
  let sum = 0
  for (let g = 0; g < groups; g++) sum += majorityVote(votes.slice(g * k, (g + 1) * k))
  return sum / groups
}

/**
 * Gives each text the number of the first that states the same answer; −1 to a text that states none. Answers of the same
 * form are the same without asking; of others, each is compared with the first of every value before it.
 */
export async function groupByValue<S extends { answer: string }>(
  stated: readonly (S | null)[],
  same: (a: S, b: S) => boolean,
  work: WorkBudget,
): Promise<number[]> {
  const firsts: { index: number; stated: S }[] = []
  const known = new Map<string, number>()
  const values: number[] = []
  for (const [i, own] of stated.entries()) {
    if (own === null) {
      values.push(-1)
      continue
    }
    let value = known.get(own.answer)
    for (let f = 0; f < firsts.length && value === undefined; f++) {
      if (work.due) await work.turn()
      if (work.piece('items', () => same(firsts[f]!.stated, own))) value = firsts[f]!.index
    }
    if (value === undefined) firsts.push({ index: (value = i), stated: own })
    known.set(own.answer, value)
    values.push(value)
  }
  return values
}
