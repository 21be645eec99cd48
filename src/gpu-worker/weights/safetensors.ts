import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'

/** https://github.com/huggingface/safetensors: 8 bytes of header length, a JSON header, then raw tensors. */
interface Entry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

/** Longest header the format allows. */
const MAX_HEADER = 100_000_000

/** Readers by the format's dtype: raw little-endian bytes to single precision. */
const DECODERS = {
  F32: { size: 4, decode: (bytes: Buffer, out: Float32Array) => void bytes.copy(Buffer.from(out.buffer)) },
  F16: { size: 2, decode: (bytes: Buffer, out: Float32Array) => out.set(halfToFloat(bytes)) },
  BF16: {
    size: 2,
    decode: (bytes: Buffer, out: Float32Array) => {
      const words = new Uint32Array(out.buffer)
      for (let i = 0; i < words.length; i++) words[i] = bytes.readUInt16LE(2 * i) << 16
    },
  },
}

function halfToFloat(bytes: Buffer): Float16Array {
  const aligned = new Uint8Array(bytes)
  return new Float16Array(aligned.buffer)
}

export interface StoredTensor {
  shape: readonly number[]
  data: Float32Array
}

/**
 * Reads a safetensors file, whole or only the tensors named by `names`, as single precision.
 * Throws `corrupt_model` naming file and tensor where the file is cut short or does not hold together.
 */
export function readSafetensors(path: string, names?: ReadonlySet<string>): Map<string, StoredTensor> {
  const file = openSync(path, 'r')
  try {
    const { header, start } = readHeader(file, path)
    const tensors = new Map<string, StoredTensor>()
    for (const [name, entry] of Object.entries(header)) {
      if (name === '__metadata__' || (names && !names.has(name))) continue
      tensors.set(name, readTensor(file, path, name, entry, start))
    }
    return tensors
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
  try {
    return { header: JSON.parse(text.toString('utf8')) as Record<string, Entry>, start: 8 + length }
  } catch (cause) {
    throw corrupt(path, 'the header is not JSON; is this a safetensors file?', cause)
  }
}

function readTensor(file: number, path: string, name: string, entry: Entry, start: number): StoredTensor {
  const decoder = DECODERS[entry.dtype as keyof typeof DECODERS] as (typeof DECODERS)[keyof typeof DECODERS] | undefined
  if (!decoder) {
    throw new GavelError(
      'unsupported_model',
      `${basename(path)}: tensor ${name} has type ${entry.dtype}; known are ${Object.keys(DECODERS).join(', ')}`,
    )
  }
  const count = elementCount(entry.shape)
  const [from, to] = entry.data_offsets
  if (to - from !== count * decoder.size)
    throw corrupt(
      path,
      `tensor ${name} has ${to - from} bytes, but its shape [${entry.shape}] needs ${count * decoder.size}`,
    )
  const bytes = Buffer.alloc(to - from)
  if (readSync(file, bytes, 0, bytes.length, start + from) !== bytes.length)
    throw corrupt(path, `tensor ${name} reaches past the end of the file; it was probably cut short`)
  const data = new Float32Array(count)
  decoder.decode(bytes, data)
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
    const end = offset + data.length * DECODERS[dtype].size
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
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done)
}
