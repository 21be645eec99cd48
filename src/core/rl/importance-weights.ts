/**
 * Weights that turn answers of one policy into answers of a slightly different one, min(p/q, cap) a token: a sampler
 * that computes less exactly than the trainer (truncated importance sampling, fengyao.notion.site/off-policy-rl).
 *
 * @param trainer log-probabilities of the answer's tokens, as the trainer has them before the step
 * @param sampler the same as the sampler had them
 */
export function importanceWeights(trainer: ArrayLike<number>, sampler: ArrayLike<number>, cap: number): Float64Array {
  return Float64Array.from(trainer, (logprob, t) => Math.min(cap, Math.exp(logprob - sampler[t]!)))
}
