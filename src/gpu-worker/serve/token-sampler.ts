import type { Rng } from '../../core/ports.ts'
import { argmax, type Scores } from './token-logprobs.ts'

/** How the next token is chosen; the names and meanings are vLLM's SamplingParams. */
export interface Sampling {
  /** 0 is greedy: the likeliest token, and the four below do nothing. */
  temperature: number
  /** Only tokens at least this likely, as a share of the likeliest's probability (arXiv 2407.01082); 0 is all. */
  minP: number
  /** Only the k likeliest, and those as likely as the last of them; 0 is all. */
  topK: number
  /** Only the fewest likeliest that together have this probability (arXiv 1904.09751); 1 is all. */
  topP: number
  /** Scores of tokens that prompt or answer have are divided by it, or multiplied where negative (arXiv 1909.05858). */
  repetitionPenalty: number
  /** Taken from the score of a token for each time that the answer has it. */
  frequencyPenalty: number
  /** Taken from the score of each token that the answer has. */
  presencePenalty: number
  /** Added to the scores. */
  logitBias: readonly (readonly [id: number, bias: number])[]
  /** Only these, where given. */
  allowedIds: readonly number[] | null
  /** An answer has at least so many tokens before one of `endIds`. */
  minTokens: number
}

/** What a grammar allows next. */
export interface TokenRule {
  /** By id, 0 for tokens that cannot come. */
  allowed: Uint8Array
  mayEnd: boolean
}

export interface Sample {
  id: number
  /** What the token was drawn by; when greedy, what it was the largest of. */
  scores(): Scores
}

/**
 * Chooses the tokens of one answer. The order of the steps is that of vLLM's sampler: allowed tokens, least length,
 * bias, penalties (repetition, frequency, presence), temperature, min-p, top-k, top-p.
 */
export class TokenSampler {
  private readonly sampling: Sampling
  private readonly endIds: readonly number[]
  private readonly rng: Rng
  /** What prompt or answer have. */
  private readonly seen: Set<number>
  /** How often the answer has each token. */
  private readonly counts = new Map<number, number>()
  private length = 0

  /** @param rng asked once a token, unless greedy: the draw searches the running sum of the weights in order of ids */
  constructor(sampling: Sampling, prompt: readonly number[], endIds: readonly number[], rng: Rng) {
    this.sampling = sampling
    this.endIds = endIds
    this.rng = rng
    this.seen = new Set(prompt)
  }

  /**
   * A next token by the model's logits [V], which stay as they are; one at −∞ is never chosen. Null where all are.
   * @param rule where given, only these tokens [V], and `endIds` where the answer may end
   */
  choose(logits: Float32Array, rule?: TokenRule): Sample | null {
    const scores = this.adjusted(rule ? this.ruled(logits, rule) : logits)
    const best = argmax(scores)
    if (scores[best] === -Infinity) return null
    return this.sampling.temperature === 0 ? { id: best, scores: () => scores } : this.drawn(scores, best)
  }

  /** The answer goes on with a token. */
  take(id: number): void {
    this.seen.add(id)
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1)
    this.length++
  }

  private ruled(logits: Float32Array, { allowed, mayEnd }: TokenRule): Float32Array {
    const kept = logits.slice()
    for (let id = 0; id < kept.length; id++) if (!allowed[id]) kept[id] = -Infinity
    for (const id of this.endIds) kept[id] = mayEnd ? logits[id]! : -Infinity
    return kept
  }

  /** The logits after all that also bears on greedy choice; the logits themselves where nothing does. */
  private adjusted(logits: Float32Array): Float32Array {
    const { allowedIds, minTokens, logitBias, repetitionPenalty, frequencyPenalty, presencePenalty } = this.sampling
    const penalised = frequencyPenalty !== 0 || presencePenalty !== 0
    const short = this.length < minTokens
    if (!allowedIds && !short && !logitBias.length && repetitionPenalty === 1 && !penalised) return logits
    const scores = allowedIds ? new Float32Array(logits.length).fill(-Infinity) : logits.slice()
    for (const id of allowedIds ?? []) scores[id] = logits[id]!
    if (short) for (const id of this.endIds) scores[id] = -Infinity
    for (const [id, bias] of logitBias) scores[id]! += bias
    if (repetitionPenalty !== 1)
      for (const id of this.seen)
        scores[id] = scores[id]! > 0 ? scores[id]! / repetitionPenalty : scores[id]! * repetitionPenalty
    if (penalised) for (const [id, count] of this.counts) scores[id]! -= frequencyPenalty * count + presencePenalty
    return scores
  }

  private drawn(scores: Float32Array, best: number): Sample {
    const weights = weightsOf(scores, scores[best]!, this.sampling)
    return { id: draw(weights, this.rng.uniform()), scores: () => weights.map(Math.log) }
  }
}

/** Unnormalised probabilities, the likeliest token's being 1; 0 for tokens that are left out. */
function weightsOf(scores: Scores, max: number, { temperature, minP, topK, topP }: Sampling): Float64Array {
  // Plain loops: this is run for every token over the whole vocabulary, and callbacks would take as long as the model.
  const weights = new Float64Array(scores.length)
  for (let id = 0; id < scores.length; id++) weights[id] = Math.exp((scores[id]! - max) / temperature)
  if (minP > 0) dropBelow(weights, minP)
  if (topK > 0 && topK < weights.length) dropBelow(weights, kthLargest(weights, topK))
  if (topP < 1) keepNucleus(weights, topP)
  return weights
}

/** The first id whose running sum of weights is above the share `uniform` in [0, 1) of their total. */
function draw(weights: Float64Array, uniform: number): number {
  let [running, last] = [0, 0]
  const target = uniform * sum(weights)
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue
    running += weights[id]!
    last = id
    if (running > target) break
  }
  return last
}

function sum(weights: Float64Array): number {
  let total = 0
  for (let id = 0; id < weights.length; id++) total += weights[id]!
  return total
}

function dropBelow(weights: Float64Array, least: number): void {
  for (let id = 0; id < weights.length; id++) if (weights[id]! < least) weights[id] = 0
}

/** Leaves only the fewest weights that reach the share `topP` of the total, at least one. */
function keepNucleus(weights: Float64Array, topP: number): void {
  const total = sum(weights)
  // All tokens below this together have less than what may be left out, so none of them is needed.
  const floor = ((1 - topP) * total) / weights.length
  const candidates: number[] = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= floor && weights[id]! > 0) candidates.push(id)
  candidates.sort((a, b) => weights[b]! - weights[a]! || a - b)
  const kept: [id: number, weight: number][] = []
  let running = 0
  for (const id of candidates) {
    kept.push([id, weights[id]!])
    running += weights[id]!
    if (running >= topP * total) break
  }
  weights.fill(0)
  for (const [id, weight] of kept) weights[id] = weight
}

/** The k-th largest of the values, by Hoare's selection: in linear time however many are equal. */
function kthLargest(values: Float64Array, k: number): number {
  const left = values.slice()
  let [low, high] = [0, left.length - 1]
  const place = k - 1
  while (low < high) {
    const pivot = left[(low + high) >> 1]!
    let [i, j] = [low, high]
    while (i <= j) {
      while (left[i]! > pivot) i++
      while (left[j]! < pivot) j--
      if (i > j) break
      ;[left[i], left[j]] = [left[j]!, left[i]!]
      i++
      j--
    }
    if (place <= j) high = j
    else if (place >= i) low = i
    else break
  }
  return left[place]!
}
