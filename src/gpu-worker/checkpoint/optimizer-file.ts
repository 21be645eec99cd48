import { checkWeights } from '../models/load-folder.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import type { OptimizerState } from '../training/adamw.ts'
import { readShards, writeShards } from '../weights/weight-files.ts'

/** Its name in a checkpoint, unless it is in shards. */
export const OPTIMIZER_FILE = 'optimizer.safetensors'
const FIRST_MOMENT = 'exp_avg:'
const SECOND_MOMENT = 'exp_avg_sq:'

/** AdamW's moments as safetensors, each parameter's under `exp_avg:NAME` and `exp_avg_sq:NAME`. */
export function writeOptimizer(path: string, { firstMoment, secondMoment }: OptimizerState, shardBytes?: number): void {
  const moments = new Map([...underPrefix(firstMoment, FIRST_MOMENT), ...underPrefix(secondMoment, SECOND_MOMENT)])
  writeShards(path, moments, { shardBytes })
}

/** The shapes of what {@link writeOptimizer} writes of a model. */
export const optimizerShapes = (model: Model): Map<string, { shape: readonly number[] }> => {
  const shapes = new Map([...trainedParameters(model)].map(([name, shape]) => [name, { shape }]))
  return new Map([...underPrefix(shapes, FIRST_MOMENT), ...underPrefix(shapes, SECOND_MOMENT)])
}

const underPrefix = <T>(tensors: ReadonlyMap<string, T>, prefix: string) =>
  [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const)

/** Throws `corrupt_model` where a moment is missing or misshapen. */
export function readOptimizer(path: string, model: Model, steps: number): OptimizerState {
  const stored = readShards(path)
  const moments = (prefix: string): Weights => {
    const own = [...stored].filter(([name]) => name.startsWith(prefix))
    return checkWeights(
      { parameters: trainedParameters(model) },
      new Map(own.map(([name, t]) => [name.slice(prefix.length), t])),
      path,
    )
  }
  return { steps, firstMoment: moments(FIRST_MOMENT), secondMoment: moments(SECOND_MOMENT) }
}
