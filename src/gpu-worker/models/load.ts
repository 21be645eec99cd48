import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { Weights } from '../engines/weights.ts'
import { elementCount } from '../graph/tensor.ts'
import { readSafetensors, type StoredTensor } from '../weights/safetensors.ts'
import { modelFromConfig } from './index.ts'
import type { Model } from './model.ts'

export interface LoadedModel {
  model: Model
  weights: Weights
  /** The `config.json`, as found. */
  config: Record<string, unknown>
}

/** A folder with `config.json` and `model.safetensors`. Throws `corrupt_model` or `unsupported_model`. */
export function loadFolder(
  folder: string,
  { configFile = 'config.json', weightsFile = 'model.safetensors' } = {},
): LoadedModel {
  const path = join(folder, configFile)
  if (!existsSync(path))
    throw new GavelError('corrupt_model', `${path} is missing; a model folder holds config.json and model.safetensors`)
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  const model = modelFromConfig(config)
  return { model, config, weights: checkWeights(model, readSafetensors(join(folder, weightsFile)), weightsFile) }
}

/** The tensors that the model's parameters name, in the model's order; throws where one is missing or misshapen. */
export function checkWeights(model: Model, tensors: ReadonlyMap<string, StoredTensor>, where: string): Weights {
  const weights = new Map<string, StoredTensor>()
  for (const [name, shape] of model.parameters) {
    const tensor = tensors.get(name)
    if (!tensor) throw new GavelError('corrupt_model', `${where}: tensor ${name} is missing`, { param: name })
    if (String(tensor.shape) !== String(shape)) {
      throw new GavelError(
        'corrupt_model',
        `${where}: tensor ${name} has shape [${tensor.shape}], but config.json calls for [${shape}]`,
        { param: name },
      )
    }
    if (tensor.data.length !== elementCount(shape))
      throw new GavelError('corrupt_model', `${where}: tensor ${name} is cut short`, { param: name })
    weights.set(name, tensor)
  }
  return weights
}
