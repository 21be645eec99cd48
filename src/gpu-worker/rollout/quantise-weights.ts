import { GavelError } from '../../core/errors.ts'
import type { Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import { weightUses } from '../training/weight-uses.ts'
import { Q8_BLOCK, quantiseQ8, type Q8Matrix } from '../weights/q8-matrix.ts'

/** Matrices by the name of their parameter, [out,in] whatever their layout in the file. */
export type Matrices = ReadonlyMap<string, Q8Matrix>

/** Weights that stay as they are: `matrices` are constants of a graph, `weights` what it is given at each run. */
export interface FrozenWeights {
  weights: Weights
  matrices: Matrices
}

/**
 * Rounds projections, head and token table to Q8_0. Biases, norms, positions, adapters and matrices whose rows are no
 * multiple of 32 stay in single precision. Throws `unsupported_model` where that is all there is.
 */
export function quantiseWeights(model: Model, weights: Weights): FrozenWeights {
  const { projections, tokenTable } = weightUses(model)
  const matrices = new Map<string, Q8Matrix>()
  const quantise = (name: string, layout = 'out-in') => {
    const { data, shape } = weights.get(name)!
    const transposed = layout === 'in-out'
    const [rows, columns] = (transposed ? shape.toReversed() : shape) as [number, number]
    if (columns % Q8_BLOCK === 0) matrices.set(name, quantiseQ8(data, { rows, columns, transposed }))
  }
  for (const [name, layout] of projections) quantise(`${name}.weight`, layout)
  for (const name of new Set([model.head, tokenTable])) quantise(name)
  if (matrices.size === 0) {
    throw new GavelError(
      'unsupported_model',
      `no matrix of this model has rows of a multiple of ${Q8_BLOCK} numbers, as Q8_0 needs; serve it as float32`,
    )
  }
  return { matrices, weights: new Map([...weights].filter(([name]) => !matrices.has(name))) }
}
