import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { elementCount } from '../../src/gpu-worker/graph/tensor.ts'
import type { Model } from '../../src/gpu-worker/models/model.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'

/** Norms at 1, the rest spread evenly with a deviation of 0.02. */
export function randomWeights({ parameters }: Model): Weights {
  const rng = new SeededRng('weights')
  const entry = () => (rng.uint32() / 2 ** 32 - 0.5) * 0.02 * Math.sqrt(12)
  return new Map(
    [...parameters].map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(elementCount(shape)).fill(1).map(shape.length > 1 ? entry : () => 1) },
    ]),
  )
}
