import type { Rng } from '../ports.ts'

/** A uniformly random order of 0 … count − 1 (Fisher–Yates, Durstenfeld's form); consumes count − 1 numbers. */
export function shuffledIndices(count: number, rng: Rng): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(rng.uniform() * (i + 1))
    const held = order[i]!
    order[i] = order[j]!
    order[j] = held
  }
  return order
}
