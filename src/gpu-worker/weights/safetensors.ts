import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'
import { NUMBER_FORMATS } from './number-formats.ts'
import { IO_BYTES, openWeights, readBytes } from './read-bytes.ts'

/** https://github.com/huggingface/safetensors: 8 bytes of header length, a JSON header, then raw tensors. */
interface Entry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

/** Longest header the format allows. */
const MAX_HEADER = 100_000_000
/** Sizes of a shape that a message lists. */
const MOST_DIMENSIONS = 8

export interface StoredTensor {
  shape: readonly number[]
  data: Float32Array
}

/**
 * Reads a safetensors file, whole or only the tensors named by `names`, as single precision.
 * Throws `corrupt_model` naming file and tensor where the file is cut short or does not hold together.
 */
export function readSafetensors(path: string, names?: ReadonlySet<string>): Map<string, StoredTensor> {
  const file = openWeights(path)
  try {
    const { header, start } = readHeader(file, path)
    const tensors = new Map<string, StoredTensor>()
    for (const [name, entry] of Object.entries(header)) {
      if (names && !names.has(name)) continue
      tensors.set(name, readTensor(file, path, name, entry, start))
    }
    return tensors
  } finally {
    closeSync(file)
  }
}

/** Names of a file's tensors. Throws `corrupt_model`. */
export function safetensorsNames(path: string): string[] {
  const file = openWeights(path)
  try {
    return Object.keys(readHeader(file, path).header)
  } finally {
    closeSync(file)
  }
}

function readHeader(file: number, path: string): { header: Record<string, Entry>; start: number } {
  const size = statSync(path).size
  const prefix = Buffer.alloc(8)
  const length = readSync(file, prefix, 0, 8, 0) === 8 ? Number(prefix.readBigUInt64LE()) : NaN
  if (!(length <= Math.min(MAX_HEADER, size - 8)))
    throw corrupt(path, 'the header is longer than the file; it was probably cut short')
  const text = Buffer.alloc(length)
  readSync(file, text, 0, length, 8)
  const header = parseHeader(text.toString('utf8'), path)
  checkOffsets(header, size - 8 - length, path)
  return { header, start: 8 + length }
}

/** The format has every byte belong to exactly one tensor: else one tensor's numbers could stand for another's. */
function checkOffsets(header: Record<string, Entry>, bytes: number, path: string): void {
  const entries = Object.entries(header)
  for (const [name, { data_offsets: offsets }] of entries) {
    if (offsets[1] < offsets[0]) throw corrupt(path, `tensor ${name} ends before it begins`)
    if (offsets[1] > bytes)
      throw corrupt(path, `tensor ${name} reaches past the end of the file; it was probably cut short`)
  }
  const inOrder = entries.sort(([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1])
  let [end, before] = [0, '']
  for (const [name, { data_offsets: offsets }] of inOrder) {
    if (offsets[0] < end) throw corrupt(path, `the tensors ${before} and ${name} overlap`)
    if (offsets[0] > end) throw corrupt(path, `the ${offsets[0] - end} bytes before tensor ${name} belong to no tensor`)
    ;[end, before] = [offsets[1], name]
  }
  if (end < bytes) throw corrupt(path, `the last ${bytes - end} bytes belong to no tensor`)
}

const Offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const JsonObject = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'it is not a JSON object',
)
const Header = v.record(
  v.string(),
  v.object({ dtype: v.string(), shape: v.array(Offset), data_offsets: v.tuple([Offset, Offset]) }),
)

function parseHeader(text: string, path: string): Record<string, Entry> {
  try {
    const { __metadata__: _, ...entries } = v.parse(JsonObject, JSON.parse(text))
    // Of millions that are wrong, the first is enough.
    return v.parse(Header, entries, { abortEarly: true })
  } catch (cause) {
    if (!v.isValiError(cause)) throw corrupt(path, 'the header is not JSON; is this a safetensors file?', cause)
    throw corrupt(
      path,
      `the header is wrong at ${v.getDotPath(cause.issues[0]) ?? 'its beginning'}: ${cause.message}`,
      cause,
    )
  }
}

function readTensor(file: number, path: string, name: string, entry: Entry, start: number): StoredTensor {
  const format = (NUMBER_FORMATS as Record<string, (typeof NUMBER_FORMATS)['F32'] | undefined>)[entry.dtype]
  if (!format) {
    throw new GavelError(
      'unsupported_model',
      `${basename(path)}: tensor ${name} has type ${entry.dtype}; known are ${Object.keys(NUMBER_FORMATS).join(', ')}`,
    )
  }
  const count = elementCount(entry.shape)
  const [from, to] = entry.data_offsets
  if (to - from !== count * format.size)
    throw corrupt(
      path,
      `tensor ${name} has ${to - from} bytes, but its shape [${entry.shape.slice(0, MOST_DIMENSIONS)}] needs ${count * format.size}`,
    )
  const bytes = readBytes(file, start + from, to - from)
  if (bytes.length < to - from) throw corrupt(path, `tensor ${name} could not be read whole`)
  const data = new Float32Array(count)
  format.decode(bytes, data)
  return { shape: entry.shape, data }
}

const corrupt = (path: string, what: string, cause?: unknown) =>
  new GavelError('corrupt_model', `${basename(path)}: ${what}. Fetch the file again.`, { param: path, cause })

/** Element types a file may be written in. */
export type StoredType = 'F32' | 'F16'

/** Writes tensors in order of name, so that equal tensors give equal bytes. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  dtype: StoredType = 'F32',
): void {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))
  const header: Record<string, Entry> = {}
  let offset = 0
  for (const [name, { shape, data }] of sorted) {
    const end = offset + data.length * NUMBER_FORMATS[dtype].size
    header[name] = { dtype, shape: [...shape], data_offsets: [offset, end] }
    offset = end
  }
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, ...header }))
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')])
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(padded.length))

  const file = openSync(path, 'w')
  try {
    writeAll(file, prefix)
    writeAll(file, padded)
    for (const [, { data }] of sorted) {
      const stored = dtype === 'F32' ? data : new Float16Array(data)
      writeAll(file, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength))
    }
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, bytes: Uint8Array) {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, Math.min(bytes.length - done, IO_BYTES))
}
