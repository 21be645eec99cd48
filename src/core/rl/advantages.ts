export interface GroupAdvantages {
  /** One per reward, in order; 0 wherever there is nothing to learn from (null reward, group without spread). */
  advantages: Float64Array
  /** One per group: fewer than two scored rewards, or all of them equal. Such a group gives no gradient. */
  zeroSpread: boolean[]
}

/**
 * GRPO's group-relative advantage, (r − mean) / (std + epsilon), over consecutive groups of `groupSize` rewards
 * (Shao et al. 2024, "DeepSeekMath", eq. outcome supervision; std with n − 1 as TRL and torch.std have it).
 * A null (no score) takes no part in its group's mean and std.
 *
 * @throws RangeError when the rewards are not whole groups, or one is NaN or infinite
 */
export function groupAdvantages(
  rewards: readonly (number | null)[],
  groupSize: number,
  epsilon: number,
): GroupAdvantages {
  if (!Number.isInteger(groupSize) || groupSize < 1 || rewards.length % groupSize !== 0) {
    throw new RangeError(`${rewards.length} rewards are not whole groups of ${groupSize}`)
  }
  const broken = rewards.findIndex((reward) => reward !== null && !Number.isFinite(reward))
  if (broken >= 0)
    throw new RangeError(`reward ${broken} is ${rewards[broken]}: a reward is finite, or null for no score`)

  const advantages = new Float64Array(rewards.length)
  const zeroSpread: boolean[] = []
  for (let start = 0; start < rewards.length; start += groupSize) {
    const group = rewards.slice(start, start + groupSize)
    const scored = group.filter((reward) => reward !== null)
    const flat = scored.every((reward) => reward === scored[0])
    zeroSpread.push(flat)
    if (flat) continue
    const mean = scored.reduce((sum, r) => sum + r, 0) / scored.length
    const variance = scored.reduce((sum, r) => sum + (r - mean) ** 2, 0) / (scored.length - 1)
    const scale = Math.sqrt(variance) + epsilon
    group.forEach((reward, i) => {
      if (reward !== null) advantages[start + i] = (reward - mean) / scale
    })
  }
  return { advantages, zeroSpread }
}
