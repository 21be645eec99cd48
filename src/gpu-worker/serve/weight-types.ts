import type { Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import { quantiseWeights, type FrozenWeights } from '../rollout/quantise-weights.ts'

/** How the weights of a served model may be kept. */
export const WEIGHT_TYPES = {
  float32: (_, weights) => ({ weights, matrices: new Map() }),
  q8_0: quantiseWeights,
} satisfies Record<string, (model: Model, weights: Weights) => FrozenWeights>

export type WeightType = keyof typeof WEIGHT_TYPES
export const WEIGHT_TYPE_NAMES = Object.keys(WEIGHT_TYPES) as WeightType[]
