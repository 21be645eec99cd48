import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'
import { readSafetensors, safetensorsNames, type StoredTensor } from '../weights/safetensors.ts'
import { readWeightFiles, weightNames } from '../weights/weight-files.ts'
import { parseConfig, type FloatFields } from './config-json.ts'
import { modelFromConfig } from './index.ts'
import type { Model } from './model.ts'
import { textPart } from './text-part.ts'
import type { Weights } from './weights.ts'

export interface LoadedModel {
  model: Model
  weights: Weights
  /** The `config.json`, as found. */
  config: Record<string, unknown>
  floats: FloatFields
}

/**
 * A folder with `config.json` and `model.safetensors` (or its shards). Of a model that also sees, the part that reads
 * and writes text, as a model of its own. Throws `corrupt_model`, or `unsupported_model` where the config says
 * something, or the files hold a tensor, that the engine has no use for: its answers would not be the model's.
 */
export function loadFolder(
  folder: string,
  { configFile = 'config.json', weightsFile }: { configFile?: string; weightsFile?: string } = {},
): LoadedModel {
  const configPath = join(folder, configFile)
  const { value, floats } = readConfig(configPath)
  const { config, nameOf } = textPart(value)
  const where = weightsFile ?? folder
  const names = weightsFile ? safetensorsNames(join(folder, weightsFile)) : weightNames(folder)
  const stored = new Map(names.flatMap((name) => (nameOf(name) === null ? [] : [[nameOf(name)!, name]])))
  /** Those of some tensors that are there, under the part's names. */
  const read = (wanted: readonly string[]): Map<string, StoredTensor> => {
    const theirs = new Set(wanted.flatMap((name) => stored.get(name) ?? []))
    const tensors = weightsFile ? readSafetensors(join(folder, weightsFile), theirs) : readWeightFiles(folder, theirs)
    return new Map([...tensors].map(([name, tensor]) => [nameOf(name)!, tensor]))
  }

  const asConfigured = modelFromConfig(config, configPath)
  const head = HEADS.find((name) => stored.has(name) && !asConfigured.parameters.has(name))
  const isTied = head !== undefined && isEqual(read([head, asConfigured.head]), head, asConfigured.head)
  const ownConfig = head === undefined || isTied ? config : { ...config, tie_word_embeddings: false }
  const model = ownConfig === config ? asConfigured : modelFromConfig(ownConfig, configPath)

  const parameters = [...model.parameters.keys()].flatMap((name) => [name, shortName(model, name)])
  const known = new Set([...parameters, ...(isTied ? [head] : [])])
  const unused = [...stored.keys()].filter((name) => !known.has(name) && !BUFFER.test(name))
  if (unused.length)
    throw noPlaceFor(
      unused.map((name) => stored.get(name)!),
      where,
      config.model_type,
    )
  return { model, config: ownConfig, floats, weights: checkWeights(model, read(parameters), where) }
}

/** What heads are called where they are not the embedding. */
const HEADS = ['lm_head.weight', 'embed_out.weight']

/** Numbers that follow from the config, which older files keep beside the weights. */
const BUFFER = /(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(masked_)?bias)$/

/** Whether a file that ties two tensors holds the same numbers for both; one that is not there is as the other. */
function isEqual(tensors: ReadonlyMap<string, StoredTensor>, a: string, b: string): boolean {
  const [x, y] = [tensors.get(a), tensors.get(b)]
  if (!x || !y) return true
  return x.data.length === y.data.length && x.data.every((value, i) => value === y.data[i])
}

export const noPlaceFor = (tensors: readonly string[], where: string, type: unknown) =>
  new GavelError(
    'unsupported_model',
    `${where}: tensor ${tensors[0]} ${tensors.length > 1 ? `and ${tensors.length - 1} more have` : 'has'} no place in a model of type ${JSON.stringify(type)}, which without would not be what its file says`,
    { param: tensors[0]! },
  )

/** Throws `corrupt_model` where there is no such object. */
function readConfig(path: string): { value: Record<string, unknown>; floats: FloatFields } {
  if (!existsSync(path)) {
    throw new GavelError(
      'corrupt_model',
      `${path} is missing; a model folder holds config.json and model.safetensors`,
      { param: path },
    )
  }
  try {
    const { value, floats } = parseConfig(readFileSync(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { value: value as Record<string, unknown>, floats }
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
