import type { Rng } from '../src/core/ports.ts'

/** A whole number from `low` to `high`, both included. */
export function between(rng: Rng, low: number, high: number): number {
  return low + Math.floor(rng.uniform() * (high - low + 1))
}

/** One element of a list that is not empty. */
export function pick<T>(rng: Rng, list: readonly T[]): T {
  return list[Math.floor(rng.uniform() * list.length)]!
}

/** True with the given probability. */
export function chance(rng: Rng, probability: number): boolean {
  return rng.uniform() < probability
}
