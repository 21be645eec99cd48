import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { readSafetensors, safetensorsNames, type StoredTensor } from './safetensors.ts'

const Index = v.object({ weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+\.safetensors$/))) })

/** The tensors `names` of a model folder, from `model.safetensors` or from the shards its index lists. */
export function readWeightFiles(folder: string, names: ReadonlySet<string>): Map<string, StoredTensor> {
  const whole = join(folder, 'model.safetensors')
  if (existsSync(whole)) return readSafetensors(whole, names)
  const index = indexOf(folder)
  const tensors = new Map<string, StoredTensor>()
  const places = readIndex(index)
  for (const shard of shardNames(index)) {
    const path = join(folder, shard)
    if (!existsSync(path)) {
      throw new GavelError('corrupt_model', `${path} is missing, though ${basename(index)} lists it; fetch it again`, {
        param: path,
      })
    }
    const own = new Set(Object.keys(places).filter((name) => names.has(name) && places[name] === shard))
    const stored = readSafetensors(path, own)
    for (const name of own) {
      const tensor = stored.get(name)
      if (!tensor) {
        throw new GavelError(
          'corrupt_model',
          `${path}: tensor ${name} is missing, though ${basename(index)} says that it is there; fetch both again`,
          { param: name },
        )
      }
      tensors.set(name, tensor)
    }
  }
  return tensors
}

/** Names of all tensors of a model folder. Throws `corrupt_model`. */
export function weightNames(folder: string): string[] {
  const whole = join(folder, 'model.safetensors')
  if (existsSync(whole)) return safetensorsNames(whole)
  return Object.keys(readIndex(indexOf(folder)))
}

/** The index of a folder without `model.safetensors`. */
function indexOf(folder: string): string {
  const index = join(folder, 'model.safetensors.index.json')
  if (existsSync(index)) return index
  throw new GavelError(
    'corrupt_model',
    `${folder} holds neither model.safetensors nor model.safetensors.index.json; other formats of weights are not read`,
    { param: folder },
  )
}

/** The files that an index of shards lists, in order of name. Throws `corrupt_model`. */
export const shardNames = (indexPath: string): string[] => [...new Set(Object.values(readIndex(indexPath)))].sort()

/** Tensor → shard. */
function readIndex(indexPath: string): Record<string, string> {
  try {
    return v.parse(Index, JSON.parse(readFileSync(indexPath, 'utf8'))).weight_map
  } catch (cause) {
    throw new GavelError('corrupt_model', `${indexPath} is not an index of shards: ${(cause as Error).message}`, {
      param: indexPath,
      cause,
    })
  }
}
