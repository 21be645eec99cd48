import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'
import { NUMBER_FORMATS } from './number-formats.ts'
import {
  readSafetensors,
  safetensorsNames,
  writeSafetensors,
  type StoredTensor,
  type StoredType,
} from './safetensors.ts'

const Index = v.object({ weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+\.safetensors$/))) })

/** What the files of a model's weights are called: `model.safetensors`, or shards of it and their index. */
const MODEL = 'model'
/** Most bytes of tensors in one file, below what one PUT to an S3 store may have (5 GiB). */
export const SHARD_BYTES = 4.5e9

const wholeName = (stem: string) => `${stem}.safetensors`
const indexName = (stem: string) => `${stem}.safetensors.index.json`
const shardName = (stem: string, number: number, count: number) =>
  `${stem}-${String(number).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.safetensors`

/** Whether a folder holds tensors under a stem, whole or in shards. */
export const hasWeightFiles = (folder: string, stem = MODEL): boolean =>
  existsSync(join(folder, wholeName(stem))) || existsSync(join(folder, indexName(stem)))

/**
 * Writes tensors as `save_pretrained` does: into `STEM.safetensors`, or where they have more than `shardBytes`, into
 * `STEM-00001-of-0000N.safetensors` and so on with `STEM.safetensors.index.json`, which says where each lies. Equal
 * tensors give equal bytes.
 */
export function writeWeightFiles(
  folder: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  { stem = MODEL, dtype = 'F32', shardBytes = SHARD_BYTES }: { stem?: string; dtype?: StoredType; shardBytes?: number | undefined } = {}, // prettier-ignore
): void {
  const shards = splitIntoShards(tensors, dtype, shardBytes)
  if (shards.length <= 1) return writeSafetensors(join(folder, wholeName(stem)), tensors, dtype)
  const places: [string, string][] = []
  shards.forEach((names, i) => {
    const file = shardName(stem, i + 1, shards.length)
    writeSafetensors(join(folder, file), new Map(names.map((name) => [name, tensors.get(name)!])), dtype)
    for (const name of names) places.push([name, file])
  })
  const count = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)
  const index = {
    metadata: { total_parameters: count, total_size: count * NUMBER_FORMATS[dtype].size },
    weight_map: Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1))),
  }
  writeFileSync(join(folder, indexName(stem)), `${JSON.stringify(index, null, 2)}\n`)
}

/**
 * The names of the tensors of each file, in the order of the files: filled one after the other in order of name, and a
 * tensor that is larger than a file may be by itself. As `split_torch_state_dict_into_shards` of PyPI's
 * `huggingface_hub` does.
 */
export function splitIntoShards(
  tensors: ReadonlyMap<string, { shape: readonly number[] }>,
  dtype: StoredType,
  shardBytes: number,
): string[][] {
  const shards: string[][] = []
  let [current, held]: [string[], number] = [[], 0]
  for (const name of [...tensors.keys()].sort()) {
    const bytes = elementCount(tensors.get(name)!.shape) * NUMBER_FORMATS[dtype].size
    if (bytes > shardBytes) {
      shards.push([name])
      continue
    }
    if (held + bytes > shardBytes) {
      shards.push(current)
      ;[current, held] = [[], 0]
    }
    current.push(name)
    held += bytes
  }
  return current.length ? [...shards, current] : shards
}

/**
 * The tensors `names` of a folder (all of them where that is left out), from `STEM.safetensors` or from the shards that
 * its index lists. Throws `corrupt_model`.
 */
export function readWeightFiles(folder: string, names?: ReadonlySet<string>, stem = MODEL): Map<string, StoredTensor> {
  const whole = join(folder, wholeName(stem))
  if (existsSync(whole)) return readSafetensors(whole, names)
  const index = indexOf(folder, stem)
  const tensors = new Map<string, StoredTensor>()
  const places = readIndex(index)
  for (const shard of shardNames(index)) {
    const path = join(folder, shard)
    if (!existsSync(path)) {
      throw new GavelError('corrupt_model', `${path} is missing, though ${basename(index)} lists it; fetch it again`, {
        param: path,
      })
    }
    const listed = Object.keys(places).filter((name) => places[name] === shard)
    const own = new Set(listed.filter((name) => !names || names.has(name)))
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
  const whole = join(folder, wholeName(MODEL))
  if (existsSync(whole)) return safetensorsNames(whole)
  return Object.keys(readIndex(indexOf(folder, MODEL)))
}

/** The index of a folder that holds no whole file. */
function indexOf(folder: string, stem: string): string {
  const index = join(folder, indexName(stem))
  if (existsSync(index)) return index
  throw new GavelError(
    'corrupt_model',
    `${folder} holds neither ${wholeName(stem)} nor ${indexName(stem)}; other formats of weights are not read`,
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
