import { closeSync, fstatSync } from 'node:fs'
import { basename } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { elementCount } from '../graph/tensor.ts'
import { BLOCK_TYPES, TYPE_NAMES, type BlockType } from './gguf-types.ts'
import { openWeights, readBytes } from './read-bytes.ts'
import type { StoredTensor } from './safetensors.ts'

export type GgufValue = number | boolean | string | GgufValue[]

export interface Gguf {
  /** Key → value, as in `llama.block_count` or `tokenizer.ggml.tokens`. */
  metadata: ReadonlyMap<string, GgufValue>
  /** Tensors in single precision under the file's own names, the slowest dimension first as in safetensors. */
  tensors: Map<string, StoredTensor>
}

/** Names of the files that a file is split into, by llama.cpp's rule; itself where there is one only. */
export function ggufParts(path: string, count: number): string[] {
  const [, stem] = /^(.*)-\d{5}-of-\d{5}\.gguf$/.exec(basename(path)) ?? []
  if (count <= 1 || stem === undefined) return [basename(path)]
  const five = (n: number) => String(n).padStart(5, '0')
  return Array.from({ length: count }, (_, i) => `${stem}-${five(i + 1)}-of-${five(count)}.gguf`)
}

/**
 * Reads a GGUF file, version 2 or 3, and dequantises its tensors
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * Throws `corrupt_model` naming file and tensor or key where the file is cut short or does not hold together, and
 * `unsupported_model` for a version or tensor type that cannot be read.
 */
export function readGguf(path: string): Gguf {
  const file = openWeights(path)
  try {
    const reader = new Reader(file, basename(path))
    const { tensorCount, keyCount } = readPreamble(reader)
    const metadata = new Map<string, GgufValue>()
    for (let i = 0; i < keyCount; i++) {
      const key = reader.string(`key ${i}`)
      if (metadata.has(key)) throw reader.corrupt(`${key} is there twice`)
      metadata.set(key, reader.value(reader.u32(key), key))
    }
    const infos: TensorInfo[] = []
    for (let i = 0; i < tensorCount; i++) infos.push(readTensorInfo(reader, i))
    const alignment = metadata.get('general.alignment') ?? 32
    if (typeof alignment !== 'number' || !(alignment >= 1)) throw reader.corrupt('general.alignment is not a size')
    const start = Math.ceil(reader.offset / alignment) * alignment
    checkPlaces(infos, reader)
    const tensors = new Map(infos.map((info) => [info.name, readTensor(reader, info, start)]))
    return { metadata, tensors }
  } finally {
    closeSync(file)
  }
}

interface TensorInfo {
  name: string
  shape: number[]
  type: number
  /** From the start of the tensors. */
  offset: number
}

function readPreamble(reader: Reader): { tensorCount: number; keyCount: number } {
  if (reader.take(4, 'the magic number').toString('latin1') !== 'GGUF')
    throw reader.corrupt('it does not begin with GGUF; is this a GGUF file?')
  const version = reader.u32('the version')
  if (version !== 2 && version !== 3)
    throw new GavelError(
      'unsupported_model',
      `${reader.name}: GGUF version ${version} cannot be read, only little-endian files of version 2 and 3; convert the model again with a current llama.cpp`,
    )
  return { tensorCount: reader.count('the tensor count'), keyCount: reader.count('the key count') }
}

function readTensorInfo(reader: Reader, index: number): TensorInfo {
  const name = reader.string(`the name of tensor ${index}`)
  const where = `tensor ${name}`
  const rank = reader.u32(where)
  if (rank > 4) throw reader.corrupt(`${where} has ${rank} dimensions`)
  // The file lists the fastest dimension first.
  const shape = Array.from({ length: rank }, () => reader.u64(where)).reverse()
  return { name, shape, type: reader.u32(where), offset: reader.u64(where) }
}

/** Each tensor is there once, in bytes of its own: else one's numbers could stand for another's. */
function checkPlaces(infos: readonly TensorInfo[], reader: Reader): void {
  const inOrder = infos.toSorted((a, b) => a.offset - b.offset)
  let [end, before] = [0, '']
  for (const info of inOrder) {
    if (info.offset < end) throw reader.corrupt(`the tensors ${before} and ${info.name} overlap`)
    ;[end, before] = [info.offset + blocksOf(info, reader).size, info.name]
  }
  const names = infos.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw reader.corrupt(`tensor ${twice} is there twice`)
}

/** A tensor's type, and how many bytes it takes. */
function blocksOf({ name, shape, type }: TensorInfo, reader: Reader): { blockType: BlockType; size: number } {
  const typeName = TYPE_NAMES[type] ?? `number ${type}`
  const blockType = (BLOCK_TYPES as Record<string, BlockType | undefined>)[typeName]
  if (!blockType)
    throw new GavelError(
      'unsupported_model',
      `${reader.name}: tensor ${name} has type ${typeName}; known are ${Object.keys(BLOCK_TYPES).join(', ')}. Take the model in one of these.`,
      { param: name },
    )
  if ((shape.at(-1) ?? 1) % blockType.blockSize !== 0)
    throw reader.corrupt(`tensor ${name} has rows of ${shape.at(-1)}, which ${typeName} cannot hold`)
  return { blockType, size: (elementCount(shape) / blockType.blockSize) * blockType.blockBytes }
}

function readTensor(reader: Reader, info: TensorInfo, start: number): StoredTensor {
  const { name, shape, offset } = info
  const { blockType, size } = blocksOf(info, reader)
  const bytes = reader.bytesAt(start + offset, size, `tensor ${name}`)
  const data = new Float32Array(elementCount(shape))
  blockType.decode(bytes, data)
  return { shape, data }
}

/** Readers of scalar metadata, by the format's type number. */
const SCALARS: Readonly<Record<number, { size: number; read: (bytes: Buffer) => GgufValue }>> = {
  0: { size: 1, read: (bytes) => bytes.readUInt8() },
  1: { size: 1, read: (bytes) => bytes.readInt8() },
  2: { size: 2, read: (bytes) => bytes.readUInt16LE() },
  3: { size: 2, read: (bytes) => bytes.readInt16LE() },
  4: { size: 4, read: (bytes) => bytes.readUInt32LE() },
  5: { size: 4, read: (bytes) => bytes.readInt32LE() },
  6: { size: 4, read: (bytes) => bytes.readFloatLE() },
  7: { size: 1, read: (bytes) => bytes.readUInt8() !== 0 },
  10: { size: 8, read: (bytes) => Number(bytes.readBigUInt64LE()) },
  11: { size: 8, read: (bytes) => Number(bytes.readBigInt64LE()) },
  12: { size: 8, read: (bytes) => bytes.readDoubleLE() },
}
const STRING = 8
const ARRAY = 9

/** Longest list: a vocabulary's merges are a few hundred thousand. */
const MOST_VALUES = 2 ** 24

/** Bytes the header is read ahead by. */
const WINDOW = 1 << 20

/** Walks the header; never reads, nor allocates, more than the file has. */
class Reader {
  readonly name: string
  offset = 0
  private readonly file: number
  private readonly size: number
  private window = Buffer.alloc(0)
  private windowStart = 0

  constructor(file: number, name: string) {
    this.file = file
    this.name = name
    this.size = fstatSync(file).size
  }

  take(length: number, what: string): Buffer {
    const from = this.offset - this.windowStart
    if (from + length > this.window.length) {
      this.window = Buffer.from(this.bytesAt(this.offset, Math.max(length, this.readAhead), what).buffer)
      this.windowStart = this.offset
      return this.take(length, what)
    }
    this.offset += length
    return this.window.subarray(from, from + length)
  }

  private get readAhead(): number {
    return Math.min(WINDOW, this.size - this.offset)
  }

  bytesAt(offset: number, length: number, what: string): Uint8Array<ArrayBuffer> {
    // Written so that NaN and numbers beyond 2⁵³ fail as well.
    if (!(offset + length <= this.size)) throw this.corrupt(`${what} reaches past the end of the file`)
    const bytes = readBytes(this.file, offset, length)
    if (bytes.length < length) throw this.corrupt(`${what} could not be read whole`)
    return bytes
  }

  u32(what: string): number {
    return this.take(4, what).readUInt32LE()
  }

  u64(what: string): number {
    return Number(this.take(8, what).readBigUInt64LE())
  }

  /** A number of things of at least one byte each. */
  count(what: string): number {
    const count = this.u64(what)
    if (count > this.size) throw this.corrupt(`${what} is ${count}, more than the file could hold`)
    return count
  }

  string(what: string): string {
    return this.take(this.count(`the length of ${what}`), what).toString('utf8')
  }

  value(type: number, key: string): GgufValue {
    if (type === STRING) return this.string(key)
    if (type === ARRAY) {
      const elementType = this.u32(key)
      if (elementType === ARRAY) throw this.corrupt(`${key} is an array of arrays`)
      const count = this.count(`the length of ${key}`)
      if (count > MOST_VALUES) throw this.corrupt(`${key} has ${count} values, more than any tokenizer`)
      const values: GgufValue[] = []
      for (let i = 0; i < count; i++) values.push(this.value(elementType, key))
      return values
    }
    const scalar = SCALARS[type]
    if (!scalar) throw this.corrupt(`${key} has the unknown value type ${type}`)
    return scalar.read(this.take(scalar.size, key))
  }

  corrupt(what: string): GavelError {
    return new GavelError('corrupt_model', `${this.name}: ${what}. The file is damaged; fetch it again.`, {
      param: this.name,
    })
  }
}
