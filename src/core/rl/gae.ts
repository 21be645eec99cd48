/**
 * Generalised advantage estimation (arXiv 1506.02438) over one text: δ_t = r_t + γ·V_{t+1} − V_t,
 * A_t = δ_t + γλ·A_{t+1}, with nothing after the last token.
 *
 * @param rewards one a token
 * @param values of the text before each token
 * @returns the advantages, and the returns A + V that the value head learns
 */
export function gae(
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  { gamma, lambda }: { gamma: number; lambda: number },
): { advantages: Float64Array; returns: Float64Array } {
  const advantages = new Float64Array(rewards.length)
  let advantage = 0
  let nextValue = 0
  for (let t = rewards.length - 1; t >= 0; t--) {
    const value = values[t]!
    advantage = rewards[t]! + gamma * nextValue - value + gamma * lambda * advantage
    nextValue = value
    advantages[t] = advantage
  }
  return { advantages, returns: advantages.map((a, t) => a + values[t]!) }
}
