import type { Rng } from '../../core/ports.ts'

export interface TokenLogprob {
  id: number
  /** Natural log of the model's own probability: before temperature and top-p. */
  logprob: number
}

export interface SamplingOptions {
  /** 0 is greedy. */
  temperature: number
  /** Draw from the likeliest tokens that together have this probability (arXiv 1904.09751). */
  topP: number
  rng: Rng
}

/** Draws a token from logits [V]; one at −∞ is never drawn. */
export function sampleToken(logits: Float32Array, options: SamplingOptions): number {
  const best = argmax(logits)
  return options.temperature === 0 ? best : draw(logits, logits[best]!, options)
}

/** The log-probability of a token, and the `count` likeliest ones, the likeliest first; of equal ones the first. */
export function tokenLogprobs(logits: Float32Array, id: number, count: number): TokenLogprob & { top: TokenLogprob[] } {
  const total = logSumExp(logits, logits[argmax(logits)]!)
  const of = (id: number): TokenLogprob => ({ id, logprob: logits[id]! - total })
  return { ...of(id), top: largest(logits, count).map(of) }
}

function draw(logits: Float32Array, max: number, { temperature, topP, rng }: SamplingOptions): number {
  // Plain loops: this is run for every token over the whole vocabulary, and callbacks would take as long as the model.
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let id = 0; id < logits.length; id++) total += weights[id] = Math.exp((logits[id]! - max) / temperature)
  if (topP < 1) total = keepNucleus(weights, topP, total)
  const target = rng.uniform() * total
  let running = 0
  let last = 0
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue
    running += weights[id]!
    last = id
    if (running > target) break
  }
  return last
}

/** Leaves only the fewest weights that reach the share `topP` of the total, at least one; answers their sum. */
function keepNucleus(weights: Float64Array, topP: number, total: number): number {
  // All tokens below this together have less than what may be left out, so none of them is needed.
  const floor = ((1 - topP) * total) / weights.length
  const candidates: number[] = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= floor) candidates.push(id)
  candidates.sort((a, b) => weights[b]! - weights[a]! || a - b)
  const kept: [id: number, weight: number][] = []
  let sum = 0
  for (const id of candidates) {
    kept.push([id, weights[id]!])
    sum += weights[id]!
    if (sum >= topP * total) break
  }
  weights.fill(0)
  for (const [id, weight] of kept) weights[id] = weight
  return sum
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

function logSumExp(values: Float32Array, max: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - max)
  return max + Math.log(sum)
}

/** Indices of the `count` largest finite values, largest first. */
function largest(values: Float32Array, count: number): number[] {
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
