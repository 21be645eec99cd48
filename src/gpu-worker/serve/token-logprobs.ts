/** Scores of every id, one for each: what the softmax makes probabilities of. −∞ is impossible. */
export type Scores = Float32Array | Float64Array

export interface TokenLogprob {
  id: number
  /** Natural logarithm. */
  logprob: number
}

export interface TokenLogprobs extends TokenLogprob {
  /** 1 for the likeliest: one more than there are tokens above it. */
  rank: number
  /** The likeliest ones, the likeliest first; of equal ones the first. */
  top: TokenLogprob[]
}

export interface WantedLogprobs {
  /** Likeliest tokens to tell of. */
  top: number
  /** Tokens to tell of instead, whatever their probability; −∞ is told as the smallest number. */
  ids?: readonly number[] | null
}

/** The log-probability of a token by the scores [V], and of others beside it. */
export function tokenLogprobs(scores: Scores, id: number, { top, ids = null }: WantedLogprobs): TokenLogprobs {
  const total = logSumExp(scores, scores[argmax(scores)]!)
  const of = (id: number): TokenLogprob => ({ id, logprob: Math.max(scores[id]! - total, -Number.MAX_VALUE) })
  let rank = 1
  for (let other = 0; other < scores.length; other++) if (scores[other]! > scores[id]!) rank++
  return { ...of(id), rank, top: (ids ?? largest(scores, top)).map(of) }
}

/** The index of the largest, the first of equal ones. */
export function argmax(values: Scores): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

function logSumExp(values: Scores, max: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - max)
  return max + Math.log(sum)
}

/** Indices of the `count` largest finite values, largest first. */
function largest(values: Scores, count: number): number[] {
  const kept: number[] = []
  if (count === 0) return kept
  for (let i = 0; i < values.length; i++) {
    if (values[i] === -Infinity) continue
    if (kept.length === count && values[i]! <= values[kept[count - 1]!]!) continue
    let at = kept.length
    while (at > 0 && values[kept[at - 1]!]! < values[i]!) at--
    kept.splice(at, 0, i)
    if (kept.length > count) kept.pop()
  }
  return kept
}
