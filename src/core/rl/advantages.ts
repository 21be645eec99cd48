import { mean, standardDeviation } from '../moments.ts'
import { whitened } from './whitened.ts'

/** An answer's reward, as advantages are made of it. */
export interface RewardedRow {
  /** Null where there is no score: such a row neither learns nor counts. */
  reward: number | null
  /** Added to the reward at each of the answer's tokens, e.g. −β·KL. */
  tokenRewards: ArrayLike<number>
}

export interface AdvantageOptions {
  groupSize: number
  /** Added to a standard deviation before dividing by it. */
  epsilon: number
  /** Rewards no further apart are the same; {@link JUDGE_RESOLUTION} unless given. */
  resolution?: number
}

/**
 * What a judge can tell: probabilities no further apart than this are the same. Servers compute log-probabilities in
 * float32 from logits of up to 32 in size, of which neighbours are 2⁻¹⁹ apart; the log-odds of two labels, a difference of
 * two such, are so known to 2 · 2⁻¹⁹, and P(Yes), whose slope over log-odds is at most ¼, to 2⁻²⁰: about one in a million.
 * What is below it comes of the order of additions in a batch, and an optimizer that normalises, such as AdamW, would learn
 * from it at full size.
 */
export const JUDGE_RESOLUTION = 2 ** -20

/** One number a token, or one for the whole answer. 0 wherever there is nothing to learn from. */
export type Advantage = number | Float64Array
type Estimator = (rows: readonly RewardedRow[], options: AdvantageOptions) => Advantage[]
export type AdvantageName = 'group' | 'group_mean' | 'leave_one_out' | 'batch' | 'token_batch'

/** How good each answer was beside others. R is an answer's reward with its token rewards added up. */
export const ADVANTAGES: Record<AdvantageName, Estimator> = {
  /** (R − group mean) / (group std + ε): GRPO (arXiv 2402.03300). The std is the one with n − 1. */
  group: (rows, options) =>
    byGroup(rows, options, (group) => {
      const [centre, std] = [mean(group)!, standardDeviation(group)!]
      return (total) => (total - centre) / (std + options.epsilon)
    }),

  /** R − group mean: Dr. GRPO (arXiv 2503.20783). */
  group_mean: (rows, options) =>
    byGroup(rows, options, (group) => {
      const centre = mean(group)!
      return (total) => total - centre
    }),

  /** R − mean of the others in the group: RLOO (arXiv 2402.14740). */
  leave_one_out: (rows, options) =>
    byGroup(rows, options, (group) => {
      const centre = mean(group)!
      return (total) => ((total - centre) * group.length) / (group.length - 1)
    }),

  /** (R − group mean) / (std of all R + ε): one scale for easy and hard prompts (arXiv 2508.08221). */
  batch: (rows, options) => {
    const std = standardDeviation(rows.flatMap((row) => totalOf(row) ?? [])) ?? 0
    return byGroup(rows, options, (group) => {
      const centre = mean(group)!
      return (total) => (total - centre) / (std + options.epsilon)
    })
  },

  /** At each token what is still to come, whitened over all tokens of the batch: REINFORCE++ (arXiv 2501.03262). */
  token_batch: (rows, { resolution = JUDGE_RESOLUTION }) => {
    const learning = rows.filter(({ reward }) => reward !== null)
    // Of a batch without spread only the token rewards are to be told apart.
    const flat = !isSpread(
      learning.map(({ reward }) => reward!),
      resolution,
    )
    const returns = whitened(learning.map(({ reward, tokenRewards }) => returnsToGo(flat ? 0 : reward!, tokenRewards)))
    let next = 0
    return rows.map(({ reward }) => (reward === null ? 0 : returns[next++]!))
  },
}

/**
 * One per group of `groupSize` consecutive rewards: fewer than two scored, or all of them equal as far as `resolution`
 * tells. An answer of such a group is no better than the rest of it.
 *
 * @throws RangeError when the rewards are not whole groups, or one is NaN or infinite
 */
export function groupsWithoutSpread(
  rewards: readonly (number | null)[],
  groupSize: number,
  resolution = JUDGE_RESOLUTION,
): boolean[] {
  if (!Number.isInteger(groupSize) || groupSize < 1 || rewards.length % groupSize !== 0) {
    throw new RangeError(`${rewards.length} rewards are not whole groups of ${groupSize}`)
  }
  const broken = rewards.findIndex((reward) => reward !== null && !Number.isFinite(reward))
  if (broken >= 0)
    throw new RangeError(`reward ${broken} is ${rewards[broken]}: a reward is finite, or null for no score`)
  return Array.from({ length: rewards.length / groupSize }, (_, g) => {
    const scored = rewards.slice(g * groupSize, (g + 1) * groupSize).filter((reward) => reward !== null)
    return !isSpread(scored, resolution)
  })
}

/** Whether rewards are further apart than what can be told. */
const isSpread = (rewards: readonly number[], resolution: number) =>
  rewards.length > 1 && Math.max(...rewards) - Math.min(...rewards) > resolution

/** Applies what `shapeOf` makes of a group's totals, two at least, to each of them; 0 in groups whose rewards have no spread. */
function byGroup(
  rows: readonly RewardedRow[],
  { groupSize, resolution }: AdvantageOptions,
  shapeOf: (totals: readonly number[]) => (total: number) => number,
): number[] {
  const flat = groupsWithoutSpread(
    rows.map(({ reward }) => reward),
    groupSize,
    resolution,
  )
  return flat.flatMap((without, g) => {
    const group = rows.slice(g * groupSize, (g + 1) * groupSize).map(totalOf)
    if (without) return group.map(() => 0)
    const shape = shapeOf(group.filter((total) => total !== null))
    return group.map((total) => (total === null ? 0 : shape(total)))
  })
}

function totalOf({ reward, tokenRewards }: RewardedRow): number | null {
  return reward === null ? null : reward + returnsToGo(0, tokenRewards)[0]!
}

/** At each token the token rewards from there on, and the reward at the end. */
function returnsToGo(reward: number, tokenRewards: ArrayLike<number>): Float64Array {
  const returns = new Float64Array(Math.max(1, tokenRewards.length))
  let sum = reward
  for (let t = returns.length - 1; t >= 0; t--) returns[t] = sum += tokenRewards[t] ?? 0
  return returns
}
