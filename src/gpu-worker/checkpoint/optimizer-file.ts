import { checkWeights } from '../models/load-folder.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import type { OptimizerState } from '../training/adamw.ts'
import { readSafetensors, writeSafetensors } from '../weights/safetensors.ts'

/** Its name in a checkpoint. */
export const OPTIMIZER_FILE = 'optimizer.safetensors'
const FIRST_MOMENT = 'exp_avg:'
const SECOND_MOMENT = 'exp_avg_sq:'

/** AdamW's moments as safetensors, each parameter's under `exp_avg:NAME` and `exp_avg_sq:NAME`. */
export function writeOptimizer(path: string, { firstMoment, secondMoment }: OptimizerState): void {
  const named = (weights: Weights, prefix: string) => [...weights].map(([name, t]) => [prefix + name, t] as const)
  writeSafetensors(path, new Map([...named(firstMoment, FIRST_MOMENT), ...named(secondMoment, SECOND_MOMENT)]))
}

/** Throws `corrupt_model` where a moment is missing or misshapen. */
export function readOptimizer(path: string, model: Model, steps: number): OptimizerState {
  const stored = readSafetensors(path)
  const moments = (prefix: string) => {
    const own = [...stored].filter(([name]) => name.startsWith(prefix))
    return checkWeights(
      { parameters: trainedParameters(model) },
      new Map(own.map(([name, t]) => [name.slice(prefix.length), t])),
      path,
    )
  }
  return { steps, firstMoment: moments(FIRST_MOMENT), secondMoment: moments(SECOND_MOMENT) }
}
