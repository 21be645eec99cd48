import type { Graph } from '../../src/gpu-worker/graph/graph.ts'
import { elementCount, type Tensor } from '../../src/gpu-worker/graph/tensor.ts'
import { Session } from '../../src/gpu-worker/runtime/session.ts'
import { float32, int32, int64, type RuntimeTensor } from '../../src/gpu-worker/runtime/tensors.ts'

/** An input's value: real numbers, or whole ones (`int64`, `int32`). */
export interface Value {
  type: 'float32' | 'int64' | 'int32'
  shape: readonly number[]
  data: readonly number[]
}

const TENSORS = {
  float32: (data: readonly number[], shape: readonly number[]) => float32(Float32Array.from(data), shape),
  int64,
  int32,
}

export const toTensor = ({ type, shape, data }: Value): RuntimeTensor => TENSORS[type](data, shape)

/** Runs a graph once and answers every output as plain numbers. Output shapes must be fixed. */
export async function runGraph(g: Graph, inputs: Record<string, Value>): Promise<Record<string, number[]>> {
  const asFloat = (t: Tensor) => (t.type === 'float32' ? t : g.untaped(() => g.cast(t, 'float32')))
  g.outputs.forEach((output) => (output.tensor = asFloat(output.tensor)))
  const outputs = Object.fromEntries(
    g.outputs.map(({ name, tensor }) => {
      const shape = tensor.shape as readonly number[]
      return [name, float32(new Float32Array(elementCount(shape)), shape)]
    }),
  )
  const session = await Session.create(g, { threads: 1 })
  await session.run(Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, toTensor(value)])), outputs)
  await session.release()
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, [...(data as Float32Array)]]))
}
