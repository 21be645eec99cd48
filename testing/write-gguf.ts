import { writeFileSync } from 'node:fs'

type Scalar = number | boolean | string
/** Whole numbers are written as uint32, others as float32. */
export type GgufMetadata = Record<string, Scalar | readonly Scalar[]>

export interface GgufTensor {
  /** Slowest dimension first, as in safetensors; written the other way round. */
  shape: readonly number[]
  /** The format's type number. */
  type: number
  bytes: Uint8Array
}

const ALIGNMENT = 32

/** A GGUF file of version 3, by https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. */
export function writeGguf(path: string, metadata: GgufMetadata, tensors: Record<string, GgufTensor>): void {
  const header: Buffer[] = [
    Buffer.from('GGUF'),
    u32(3),
    u64(Object.keys(tensors).length),
    u64(Object.keys(metadata).length),
  ]
  for (const [key, value] of Object.entries(metadata)) {
    header.push(string(key))
    if (Array.isArray(value)) {
      const items = value as Scalar[]
      header.push(u32(9), u32(typeOf(items[0] ?? 0)), u64(items.length), ...items.map(scalar))
    } else header.push(u32(typeOf(value as Scalar)), scalar(value as Scalar))
  }
  const data: Buffer[] = []
  let offset = 0
  for (const [name, { shape, type, bytes }] of Object.entries(tensors)) {
    header.push(string(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(offset))
    data.push(Buffer.from(bytes), padding(bytes.length))
    offset += bytes.length + padding(bytes.length).length
  }
  const head = Buffer.concat(header)
  writeFileSync(path, Buffer.concat([head, padding(head.length), ...data]))
}

/** A tensor in single precision. */
export const f32Tensor = (shape: readonly number[], data: Float32Array): GgufTensor => ({
  shape,
  type: 0,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
})

const padding = (length: number) => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)

function typeOf(value: Scalar): number {
  if (typeof value === 'string') return 8
  if (typeof value === 'boolean') return 7
  return Number.isInteger(value) ? 4 : 6
}

function scalar(value: Scalar): Buffer {
  if (typeof value === 'string') return string(value)
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0])
  return Number.isInteger(value) ? u32(value) : f32(value)
}

const string = (text: string) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)])

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}
