import type { Weights } from '../models/weights.ts'
import { float32, type RuntimeTensor } from '../runtime/tensors.ts'

/** Weights as a session takes them, without copying; `prefix` goes before each name. */
export function weightTensors(weights: Weights, prefix = ''): Record<string, RuntimeTensor> {
  return Object.fromEntries([...weights].map(([name, { data, shape }]) => [prefix + name, float32(data, shape)]))
}
