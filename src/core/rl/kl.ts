/**
 * Estimates of KL(policy ‖ reference) from one sampled token, given its log-probability (natural log) under each.
 * J. Schulman, "Approximating KL Divergence" (2020): with x drawn from the policy and r = ref(x) / policy(x),
 * k1 = −ln r (unbiased), k2 = (ln r)² / 2 (low variance), k3 = (r − 1) − ln r (unbiased, never negative).
 */
export type KlEstimator = (policyLogprob: number, referenceLogprob: number) => number

export const KL_ESTIMATORS = {
  k1: (policy, reference) => policy - reference,
  k2: (policy, reference) => (policy - reference) ** 2 / 2,
  // expm1 keeps the digits where the two policies are close: r − 1 − ln r is a difference of small numbers there.
  k3: (policy, reference) => Math.expm1(reference - policy) - (reference - policy),
} satisfies Record<string, KlEstimator>

export type KlEstimatorName = keyof typeof KL_ESTIMATORS

/** An error larger than this share of the target moves the coefficient no further. */
const LARGEST_ERROR = 0.2

/**
 * The coefficient of the next step, raised where the divergence was above its target and lowered where it was below:
 * β·(1 + clip(kl/target − 1, ±0.2)·episodes/horizon) (arXiv 1909.08593, section 2.2).
 *
 * @param kl the step's mean divergence a token
 * @param episodes answers of the step
 * @param horizon answers after which the coefficient may have changed by about a fifth
 */
export function adaptedCoefficient(
  coefficient: number,
  { kl, target, episodes, horizon }: { kl: number; target: number; episodes: number; horizon: number },
): number {
  const error = Math.min(LARGEST_ERROR, Math.max(-LARGEST_ERROR, kl / target - 1))
  return coefficient * (1 + (error * episodes) / horizon)
}
