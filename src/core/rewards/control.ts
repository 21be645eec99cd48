/** Judges that know nothing, to hold real ones against: whatever a run gains with them it does not owe to a judge. */
import type { Judgment } from '../judges/probability.ts'
import { SeededRng } from '../rl/seeded-rng.ts'
import { shuffledIndices } from '../rl/shuffled-indices.ts'
import type { RewardControl } from '../schemas/reward.ts'

/** Scores drawn uniformly from [0, 1) in place of a judge's. */
export function randomJudgments(count: number, { seed }: RewardControl, stream: string): Judgment[] {
  const rng = new SeededRng(seed, 'random judge', stream)
  return Array.from({ length: count }, () => ({ outcome: 'scored', probability: rng.uniform(), labelMass: 1 }))
}

/**
 * A judge's own judgments, dealt out anew among the rows that it was asked about: the same scores in the same numbers,
 * but of some other row.
 */
export function shuffledJudgments<J>(judgments: readonly J[], { seed }: RewardControl, stream: string): J[] {
  const order = shuffledIndices(judgments.length, new SeededRng(seed, 'shuffled judge', stream))
  return Array.from(order, (from) => judgments[from]!)
}
