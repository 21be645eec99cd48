import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'
import { readSafetensors, type StoredTensor } from '../weights/safetensors.ts'
import { readWeightFiles } from '../weights/weight-files.ts'
import { modelFromConfig } from './index.ts'
import type { Model } from './model.ts'
import type { Weights } from './weights.ts'

export interface LoadedModel {
  model: Model
  weights: Weights
  /** The `config.json`, as found. */
  config: Record<string, unknown>
}

/**
 * A folder with `config.json` and `model.safetensors` (or its shards); tensors that the model does not use are left
 * alone. Throws `corrupt_model` or `unsupported_model`.
 */
export function loadFolder(
  folder: string,
  { configFile = 'config.json', weightsFile }: { configFile?: string; weightsFile?: string } = {},
): LoadedModel {
  const configPath = join(folder, configFile)
  const config = readJson(configPath, 'a model folder holds config.json and model.safetensors')
  const model = modelFromConfig(config, configPath)
  const names = new Set([...model.parameters.keys()].flatMap((name) => [name, shortName(model, name)]))
  const tensors = weightsFile ? readSafetensors(join(folder, weightsFile), names) : readWeightFiles(folder, names)
  return { model, config, weights: checkWeights(model, tensors, weightsFile ?? folder) }
}

/** A JSON object out of a model's folder. Throws `corrupt_model` where there is none. */
export function readJson(path: string, hint: string): Record<string, unknown> {
  if (!existsSync(path)) throw new GavelError('corrupt_model', `${path} is missing; ${hint}`, { param: path })
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path} is not JSON: ${(cause as Error).message}`, { param: path, cause })
  }
  throw new GavelError('corrupt_model', `${path} is not a JSON object`, { param: path })
}

/**
 * The tensors that the model's parameters name, in the model's order; throws where one is missing, misshapen or
 * holds a number that is none.
 */
export function checkWeights(
  model: Pick<Model, 'parameters' | 'optionalPrefix'>,
  tensors: ReadonlyMap<string, StoredTensor>,
  where: string,
): Weights {
  const weights = new Map<string, StoredTensor>()
  const wrong = (name: string, what: string) =>
    new GavelError('corrupt_model', `${where}: tensor ${name} ${what}`, { param: name })
  for (const [name, shape] of model.parameters) {
    const tensor = tensors.get(name) ?? tensors.get(shortName(model, name))
    if (!tensor) throw wrong(name, 'is missing')
    if (String(tensor.shape) !== String(shape))
      throw wrong(name, `has shape [${tensor.shape}], but the model's config calls for [${shape}]`)
    if (tensor.data.length !== elementCount(shape)) throw wrong(name, 'is cut short')
    const bad = firstNotFinite(tensor.data)
    if (bad >= 0) throw wrong(name, `holds ${tensor.data[bad]} at element ${bad}; the weights are of no use`)
    weights.set(name, tensor)
  }
  return weights
}

/** What a file that leaves out the model's optional prefix calls a parameter. */
const shortName = ({ optionalPrefix = '' }: Pick<Model, 'optionalPrefix'>, name: string): string =>
  name.startsWith(optionalPrefix) ? name.slice(optionalPrefix.length) : name

function firstNotFinite(data: Float32Array): number {
  // NaN and ±∞ are the only numbers that differ from themselves by something else than 0.
  for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! !== 0) return i
  return -1
}
