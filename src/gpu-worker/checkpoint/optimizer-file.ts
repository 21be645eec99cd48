import { checkWeights } from '../models/load-folder.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import type { OptimizerState } from '../training/adamw.ts'
import { readWeightFiles, writeWeightFiles } from '../weights/weight-files.ts'

/** What its files in a checkpoint are called: `optimizer.safetensors`, or shards of it and their index. */
const OPTIMIZER = 'optimizer'
const FIRST_MOMENT = 'exp_avg:'
const SECOND_MOMENT = 'exp_avg_sq:'

/** AdamW's moments as safetensors, each parameter's under `exp_avg:NAME` and `exp_avg_sq:NAME`. */
export function writeOptimizer(
  folder: string,
  { firstMoment, secondMoment }: OptimizerState,
  shardBytes?: number,
): void {
  const moments = new Map([...underPrefix(firstMoment, FIRST_MOMENT), ...underPrefix(secondMoment, SECOND_MOMENT)])
  writeWeightFiles(folder, moments, { stem: OPTIMIZER, shardBytes })
}

/** The shapes of what {@link writeOptimizer} writes of a model. */
export const optimizerShapes = (model: Model): Map<string, { shape: readonly number[] }> => {
  const shapes = new Map([...trainedParameters(model)].map(([name, shape]) => [name, { shape }]))
  return new Map([...underPrefix(shapes, FIRST_MOMENT), ...underPrefix(shapes, SECOND_MOMENT)])
}

const underPrefix = <T>(tensors: ReadonlyMap<string, T>, prefix: string) =>
  [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const)

/** Throws `corrupt_model` where a moment is missing or misshapen. */
export function readOptimizer(folder: string, model: Model, steps: number): OptimizerState {
  const stored = readWeightFiles(folder, undefined, OPTIMIZER)
  const moments = (prefix: string): Weights => {
    const own = [...stored].filter(([name]) => name.startsWith(prefix))
    return checkWeights(
      { parameters: trainedParameters(model) },
      new Map(own.map(([name, t]) => [name.slice(prefix.length), t])),
      `${folder}/${OPTIMIZER}.safetensors`,
    )
  }
  return { steps, firstMoment: moments(FIRST_MOMENT), secondMoment: moments(SECOND_MOMENT) }
}
