import * as ort from 'onnxruntime-node'

/** A tensor at run time. Its data is the caller's own array: nothing is copied in, and outputs are written to it. */
export type RuntimeTensor = ort.Tensor

export const float32 = (data: Float32Array, shape: readonly number[]): RuntimeTensor =>
  new ort.Tensor('float32', data, shape)

export const float32Scalar = (value: number): RuntimeTensor => new ort.Tensor('float32', Float32Array.of(value), [])

export const int32 = (data: ArrayLike<number>, shape: readonly number[]): RuntimeTensor =>
  new ort.Tensor('int32', Int32Array.from(data), shape)

export const int64 = (data: ArrayLike<number>, shape: readonly number[]): RuntimeTensor => {
  const wide = new BigInt64Array(data.length)
  for (let i = 0; i < data.length; i++) wide[i] = BigInt(data[i]!)
  return new ort.Tensor('int64', wide, shape)
}

/** An int64 tensor over an array that a run writes to. */
export const int64Buffer = (data: BigInt64Array, shape: readonly number[]): RuntimeTensor =>
  new ort.Tensor('int64', data, shape)
