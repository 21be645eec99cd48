import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
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

/** Where a model's weights lie in its folder, unless they are in shards. */
const modelPath = (folder: string) => join(folder, 'model.safetensors')
/** Most bytes of tensors in one file, below what one PUT to an S3 store may have (5 GiB). */
export const SHARD_BYTES = 4.5e9

const indexPath = (path: string) => `${path}.index.json`
const shardPath = (path: string, number: number, count: number) =>
  path.replace(/\.safetensors$/, `-${String(number).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.safetensors`)

/** Whether a folder holds a model's weights, whole or in shards. */
export const hasWeights = (folder: string): boolean =>
  [modelPath(folder), indexPath(modelPath(folder))].some((path) => existsSync(path))

/**
 * Writes tensors as `save_pretrained` does: into `NAME.safetensors` or, where they have more than `shardBytes`, into
 * `NAME-00001-of-0000N.safetensors` and so on with `NAME.safetensors.index.json`, which says where each lies. Equal
 * tensors give equal bytes.
 * @param path of the whole file, which ends in `.safetensors`
 */
export function writeShards(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  { dtype = 'F32', shardBytes = SHARD_BYTES }: { dtype?: StoredType; shardBytes?: number | undefined } = {},
): void {
  const shards = splitIntoShards(tensors, dtype, shardBytes)
  if (shards.length <= 1) return writeSafetensors(path, tensors, dtype)
  const places: [string, string][] = []
  shards.forEach((names, i) => {
    const file = shardPath(path, i + 1, shards.length)
    writeSafetensors(file, new Map(names.map((name) => [name, tensors.get(name)!])), dtype)
    for (const name of names) places.push([name, basename(file)])
  })
  const count = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)
  const index = {
    metadata: { total_parameters: count, total_size: count * NUMBER_FORMATS[dtype].size },
    weight_map: Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1))),
  }
  writeFileSync(indexPath(path), `${JSON.stringify(index, null, 2)}\n`)
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
    const bytes = bytesOf(tensors.get(name)!, dtype)
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

/** Bytes of the tensors of each file that {@link writeShards} would write. */
export const shardSizes = (...of: Parameters<typeof splitIntoShards>): number[] =>
  splitIntoShards(...of).map((names) => names.reduce((sum, name) => sum + bytesOf(of[0].get(name)!, of[1]), 0))

const bytesOf = ({ shape }: { shape: readonly number[] }, dtype: StoredType): number =>
  elementCount(shape) * NUMBER_FORMATS[dtype].size

/** The tensors `names` of a model folder, from `model.safetensors` or from the shards its index lists. Throws `corrupt_model`. */
export const readWeightFiles = (folder: string, names: ReadonlySet<string>) => readShards(weightsOf(folder), names)

/**
 * Reads what {@link writeShards} wrote, or only the tensors named by `names`. Throws `corrupt_model`.
 * @param path of the whole file
 */
export function readShards(path: string, names?: ReadonlySet<string>): Map<string, StoredTensor> {
  const index = indexPath(path)
  if (existsSync(path) || !existsSync(index)) return readSafetensors(path, names)
  const tensors = new Map<string, StoredTensor>()
  const places = readIndex(index)
  for (const shard of shardNames(index)) {
    const file = join(dirname(path), shard)
    if (!existsSync(file)) {
      throw new GavelError('corrupt_model', `${file} is missing, though ${basename(index)} lists it; fetch it again`, {
        param: file,
      })
    }
    const listed = Object.keys(places).filter((name) => places[name] === shard)
    const own = new Set(listed.filter((name) => !names || names.has(name)))
    const stored = readSafetensors(file, own)
    for (const name of own) {
      const tensor = stored.get(name)
      if (!tensor) {
        throw new GavelError(
          'corrupt_model',
          `${file}: tensor ${name} is missing, though ${basename(index)} says that it is there; fetch both again`,
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
  const whole = weightsOf(folder)
  return existsSync(whole) ? safetensorsNames(whole) : Object.keys(readIndex(indexPath(whole)))
}

/** Where a model folder's weights are, whole or in shards. */
function weightsOf(folder: string): string {
  const whole = modelPath(folder)
  if (hasWeights(folder)) return whole
  throw new GavelError(
    'corrupt_model',
    `${folder} holds neither ${basename(whole)} nor ${basename(indexPath(whole))}; other formats of weights are not read`,
    { param: folder },
  )
}

/** The files that an index of shards lists, in order of name. Throws `corrupt_model`. */
export const shardNames = (index: string): string[] => [...new Set(Object.values(readIndex(index)))].sort()

/** Tensor → shard. */
function readIndex(path: string): Record<string, string> {
  try {
    return v.parse(Index, JSON.parse(readFileSync(path, 'utf8')), { abortEarly: true }).weight_map
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path} is not an index of shards: ${(cause as Error).message}`, {
      param: path,
      cause,
    })
  }
}
