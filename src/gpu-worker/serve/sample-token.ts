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
  const weights = Float64Array.from(logits, (x) => Math.exp((x - max) / temperature))
  const total = weights.reduce((a, b) => a + b, 0)
  const pool = topP < 1 ? nucleus(weights, topP * total, total) : null
  const mass = pool ? pool.reduce((sum, id) => sum + weights[id]!, 0) : total
  const target = rng.uniform() * mass
  let running = 0
  let last = 0
  const count = pool ? pool.length : weights.length
  for (let i = 0; i < count; i++) {
    const id = pool ? pool[i]! : i
    if (weights[id] === 0) continue
    running += weights[id]!
    last = id
    if (running > target) return id
  }
  return last
}

/** The likeliest ids whose weights reach `wanted`, at least one. */
function nucleus(weights: Float64Array, wanted: number, total: number): number[] {
  // All tokens below this together have less than what may be left out, so none of them is needed.
  const floor = (total - wanted) / weights.length
  const candidates: number[] = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= floor) candidates.push(id)
  candidates.sort((a, b) => weights[b]! - weights[a]! || a - b)
  let reached = 0
  const end = candidates.findIndex((id) => (reached += weights[id]!) >= wanted)
  return end < 0 ? candidates : candidates.slice(0, end + 1)
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
