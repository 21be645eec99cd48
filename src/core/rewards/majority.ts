import { groupByValue } from '../stats/majority-vote.ts'
import type { Stated, Verifier } from '../verifiers/verifier.ts'
import type { WorkBudget } from '../work-budget.ts'

export interface Majority {
  /** The answer that most rows state, as the verifier writes it. */
  answer: string
  /** Rows that state it, as a share of all rows. */
  share: number
}

/**
 * The answer that most of a question's rows state, compared by value. Rows that state none, and those without a vote,
 * count in the share all the same.
 *
 * @param stated what each row says; null where it says nothing, or has no vote
 * @returns null where no answer has at least `minShare` of the rows, at least two votes, and more than any other; and
 *   where nothing could be compared with the one that has
 */
export async function majorityAnswer(
  stated: readonly (Stated | null)[],
  verifier: Pick<Verifier, 'same' | 'checkGold'>,
  minShare: number,
  work: WorkBudget,
): Promise<Majority | null> {
  const values = await groupByValue(stated, verifier.same, work)
  const votes = new Map<number, number>()
  for (const value of values) if (value >= 0) votes.set(value, (votes.get(value) ?? 0) + 1)

  const [first, second] = [...votes].sort(([, a], [, b]) => b - a)
  if (!first || first[1] < 2 || first[1] === second?.[1]) return null
  const [value, count] = first
  const share = count / stated.length
  const { answer } = stated[values.indexOf(value)]!
  return share >= minShare && canBeGold(verifier, answer) ? { answer, share } : null
}

/** What a model wrote may be an answer that nothing can be compared with. */
function canBeGold(verifier: Pick<Verifier, 'checkGold'>, answer: string): boolean {
  try {
    verifier.checkGold(answer)
    return true
  } catch {
    return false
  }
}
