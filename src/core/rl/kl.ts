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
