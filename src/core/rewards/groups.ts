import type { RewardItem } from '../schemas/reward.ts'
import { ADVANTAGES } from '../rl/advantages.ts'

/** The rows that answer the same question, by their index: those with the same `group` or, without one, the same prompt. */
export function groupsOf(items: readonly Pick<RewardItem, 'group' | 'prompt'>[]): number[][] {
  const groups = new Map<string, number[]>()
  items.forEach(({ group, prompt }, i) => {
    const key = group === undefined ? `prompt ${prompt}` : `group ${group}`
    const rows = groups.get(key)
    if (rows) rows.push(i)
    else groups.set(key, [i])
  })
  return [...groups.values()]
}

/** The advantages that look at one group alone, by their names in `rl/advantages.ts`. */
export const GROUP_ADVANTAGES = ['group', 'group_mean', 'leave_one_out'] as const
export type GroupAdvantage = (typeof GROUP_ADVANTAGES)[number]

/** Added to a group's standard deviation before dividing by it, as TRL does. */
const EPSILON = 1e-4

/**
 * Each reward against the rest of its group. Null stays null and counts for nothing; a group without spread gives 0.
 * @param resolution rewards no further apart are the same
 */
export function relativeToGroup(
  rewards: readonly (number | null)[],
  groups: readonly number[][],
  kind: GroupAdvantage,
  resolution: number,
): (number | null)[] {
  const advantages: (number | null)[] = rewards.map(() => null)
  for (const rows of groups) {
    const own = rows.map((i) => ({ reward: rewards[i] ?? null, tokenRewards: [] }))
    // Without token rewards an answer's advantage is one number.
    const relative = ADVANTAGES[kind](own, { groupSize: own.length, epsilon: EPSILON, resolution }) as number[]
    rows.forEach((row, i) => {
      if (rewards[row] !== null) advantages[row] = relative[i]!
    })
  }
  return advantages
}
