import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { OPS } from '../../../src/gpu-worker/graph/ops.ts'
import type { Attribute, OpName, Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { assertClose } from '../../helpers/close.ts'
import { at, build, byRow, softmax, sum, sumOver, type NdArray } from '../../helpers/nd-array.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

interface Input extends NdArray {
  /** `bytes` and `held` are constants of the graph. */
  kind: 'real' | 'fixed' | 'int64' | 'int32' | 'bool' | 'bytes' | 'held'
}

interface Case {
  /** null: left out. */
  inputs: (Input | null)[]
  attributes?: Record<string, Attribute>
  shape?: number[]
  /** Every output, flat, in double precision, of the inputs that are there. */
  expected: (...x: NdArray[]) => (readonly number[])[]
}

const rng = new SeededRng('ops')
/** Numbers in [from, to), of which gradients are taken. */
const real = (shape: number[], from = -1, to = 1): Input => ({
  kind: 'real',
  ...build(shape, () => from + (to - from) * rng.uniform()),
})
/** Numbers of which no gradient is taken. */
const fixed = (shape: number[], data?: number[]): Input => ({ ...real(shape), ...(data && { data }), kind: 'fixed' })
const whole = (shape: number[], data: number[]): Input => ({ kind: 'int64', shape, data })
const small = (shape: number[], data: number[]): Input => ({ kind: 'int32', shape, data })
const truth = (shape: number[], data: number[]): Input => ({ kind: 'bool', shape, data })

/** Bytes from 1 to 255, and scales that are powers of two, so that products with whole numbers are exact. */
const bytes = (shape: number[]): Input => ({
  kind: 'bytes',
  ...build(shape, (...i) => ((17 * sum(i) + 5 * i[0]!) % 255) + 1),
})
const scales = (shape: number[]): Input => ({ kind: 'held', ...build(shape, (...i) => 2 ** -(7 + (sum(i) % 3))) })

const each =
  (f: (x: number) => number): Case['expected'] =>
  (x) => [x.data.map(f)]
const pairs =
  (f: (a: number, b: number) => number): Case['expected'] =>
  (a, b) => {
    const shape = a.shape.length >= b.shape.length ? a.shape : b.shape
    const wide = shape.map((_, i) => Math.max(a.shape.at(i - shape.length) ?? 1, b.shape.at(i - shape.length) ?? 1))
    return [build(wide, (...i) => f(at(a, ...i), at(b, ...i))).data]
  }
/** An operator on one array, and one on two: of one shape, and of shapes that are broadcast in either direction. */
const unary = (f: (x: number) => number, from = -1, to = 1): Case => ({
  inputs: [real([2, 3], from, to)],
  expected: each(f),
})
const binary = (f: (a: number, b: number) => number, from = -1, to = 1): Case[] =>
  [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [[3], [2, 3]],
    [
      [2, 1, 3],
      [2, 2, 1],
    ],
    [[2, 2], []],
  ].map(([a, b]) => ({ inputs: [real(a!, from, to), real(b!, from, to)], expected: pairs(f) }))
const comparison = (f: (a: number, b: number) => boolean): Case => ({
  inputs: [whole([2, 3], [1, 2, 3, 3, 2, 1]), whole([3], [2, 2, 2])],
  expected: pairs((a, b) => Number(f(a, b))),
})
const unchanged: Case['expected'] = (x) => [x.data]

/** erf by its Maclaurin series, which is exact enough for |x| ≤ 2. */
function erf(x: number): number {
  let [term, total] = [x, x]
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n
    total += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * total
}
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

const product = (a: number[], b: number[], transA: boolean, transB: boolean, alpha: number, c?: number[]): Case => ({
  inputs: [real(a), real(b), ...(c ? [real(c)] : [])],
  attributes: { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
  expected: (x, y, z) => {
    const entry = (t: NdArray, transposed: boolean, batch: number[], i: number, j: number) =>
      transposed ? at(t, ...batch, j, i) : at(t, ...batch, i, j)
    const [rows, inner] = transA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!]
    const columns = transB ? b.at(-2)! : b.at(-1)!
    const shape = [...a.slice(0, -2), rows, columns]
    const out = build(shape, (...index) => {
      const [batch, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!]
      const dot = sumOver(inner, (k) => entry(x, transA, batch, i, k) * entry(y, transB, batch, k, j))
      return alpha * dot + (z ? at(z, i, j) : 0)
    })
    return [out.data]
  },
})

const reduction = (f: (row: number[]) => number): Case => ({
  inputs: [real([2, 3]), whole([1], [1])],
  attributes: { keepdims: 1 },
  shape: [2, 1],
  expected: (x) => [byRow(x, (row) => [f(row)])],
})
const mean = (row: readonly number[]) => sum(row) / row.length
const EPSILON = 1e-5
const norm = { axis: -1, epsilon: { float: EPSILON }, stash_type: 1 }

/** Each of x's rows (along the last axis) normalised: its centre, 1/deviation, and the rest by weight and bias. */
const normalised =
  (centre: (row: number[]) => number): Case['expected'] =>
  (x, weight, bias) => {
    const centres = byRow(x, (row) => [centre(row)])
    const scales = byRow(x, (row) => [1 / Math.sqrt(mean(row.map((v) => (v - centre(row)) ** 2)) + EPSILON)])
    const y = byRow(x, (row, r) =>
      row.map((v, i) => (v - centres[r]!) * scales[r]! * weight.data[i]! + (bias?.data[i] ?? 0)),
    )
    return [y, centres, scales]
  }

const ANGLES = [0, 0.3, 1.1, 0.7, 2, 0.1]

/** One head turned by position: pairs lie half a head apart. x: its entries; angles: of every pair. */
const turned = (x: (d: number) => number, angles: readonly number[], d: number): number => {
  const half = angles.length
  const pair = d % half
  const [cos, sin] = [Math.cos(angles[pair]!), Math.sin(angles[pair]!)]
  return d < half ? x(pair) * cos - x(half + pair) * sin : x(half + pair) * cos + x(pair) * sin
}

/** By position, of a head of 16. */
const HEAD_ANGLES = Array.from({ length: 4 }, (_, t) => Array.from({ length: 8 }, (_, pair) => (t * 1.3) / (1 + pair)))

/**
 * Attention of one new query a row over what the cache holds of it, plus its own key and value. Packed are two
 * queries, a key and a value, 16 each; all but the value are turned by position.
 */
const groupQueryAttention: Case['expected'] = (packed, pastK, pastV, last, _total, _cos, _sin, positions) => {
  const [heads, size] = [2, 16]
  const part = (b: number, n: number, d: number) => at(packed, b, 0, n * size + d)
  const placed = (b: number, n: number, d: number) => turned((i) => part(b, n, i), HEAD_ANGLES[at(positions, b, 0)]!, d)
  // Into a buffer of its own, the kernel writes zeros behind the last position.
  const extended = (past: NdArray, fresh: (b: number, d: number) => number) =>
    build(past.shape, (b, h, t, d) => {
      const place = Math.sign(t - last.data[b]!)
      return place < 0 ? at(past, b, h, t, d) : place === 0 ? fresh(b, d) : 0
    })
  const keys = extended(pastK, (b, d) => placed(b, heads, d))
  const values = extended(pastV, (b, d) => part(b, heads + 1, d))
  const out = build([2, 1, heads * size], (b, _, i) => {
    const head = Math.floor(i / size)
    const scores = Array.from(
      { length: last.data[b]! + 1 },
      (_, t) => 0.25 * sumOver(size, (d) => placed(b, head, d) * at(keys, b, 0, t, d)),
    )
    return sum(softmax(scores).map((p, t) => p * at(values, b, 0, t, i % size)))
  })
  return [out.data, keys.data, values.data]
}

const CASES: Record<OpName, Case | Case[]> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b, 0.5, 2),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log, 0.5, 2),
  Sqrt: unary(Math.sqrt, 0.5, 2),
  Sigmoid: unary(sigmoid, -3, 3),
  Tanh: unary(Math.tanh, -2, 2),
  Relu: unary((x) => Math.max(x, 0)),
  Erf: unary(erf, -2, 2),
  Cos: { inputs: [fixed([4], [-2, 0, 3, 500])], expected: each(Math.cos) },
  Sin: { inputs: [fixed([4], [-2, 0, 3, 500])], expected: each(Math.sin) },
  Gelu: unary((x) => (x * (1 + erf(x / Math.SQRT2))) / 2, -2, 2),
  Where: {
    inputs: [truth([2, 1], [1, 0]), real([2, 3]), real([3])],
    expected: (c, a, b) => [build([2, 3], (...i) => (at(c, ...i) ? at(a, ...i) : at(b, ...i))).data],
  },
  Sign: { inputs: [fixed([4], [-2, 0, 3, -0.1])], expected: each(Math.sign) },
  LessOrEqual: comparison((a, b) => a <= b),
  Less: comparison((a, b) => a < b),
  Equal: comparison((a, b) => a === b),
  And: {
    inputs: [truth([4], [0, 0, 1, 1]), truth([4], [0, 1, 0, 1])],
    expected: pairs((a, b) => a & b),
  },
  Or: {
    inputs: [truth([4], [0, 0, 1, 1]), truth([4], [0, 1, 0, 1])],
    expected: pairs((a, b) => a | b),
  },
  Cast: { inputs: [fixed([3], [-1.7, 0.2, 2.9])], attributes: { to: 7 }, expected: each(Math.trunc) },
  Identity: unary((x) => x),
  Gemm: [
    ...[0, 1, 2, 3].map((i) => {
      const [transA, transB] = [Boolean(i & 1), Boolean(i & 2)]
      return product(transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4], transA, transB, 0.7, i ? [2, 4] : undefined)
    }),
    product([2, 3], [3, 4], false, false, 1, [4]),
  ],
  FusedMatMul: [0, 1, 2, 3].map((i) => {
    const [transA, transB] = [Boolean(i & 1), Boolean(i & 2)]
    return product(transA ? [2, 3, 2] : [2, 2, 3], transB ? [2, 4, 3] : [2, 3, 4], transA, transB, 0.7)
  }),
  Reshape: { inputs: [real([2, 3]), whole([2], [3, 2])], shape: [3, 2], expected: unchanged },
  Expand: {
    inputs: [real([2, 1]), whole([3], [2, 2, 3])],
    shape: [2, 2, 3],
    expected: (x) => [build([2, 2, 3], (...i) => at(x, ...i)).data],
  },
  Transpose: {
    inputs: [real([2, 3, 4])],
    attributes: { perm: [2, 0, 1] },
    expected: (x) => [build([4, 2, 3], (c, a, b) => at(x, a, b, c)).data],
  },
  Slice: {
    inputs: [fixed([3, 4]), whole([1], [1]), whole([1], [3]), whole([1], [1])],
    shape: [3, 2],
    expected: (x) => [build([3, 2], (i, j) => at(x, i, j + 1)).data],
  },
  Pad: {
    inputs: [fixed([2, 2]), whole([4], [0, 1, 0, 2])],
    shape: [2, 5],
    expected: (x) => [build([2, 5], (i, j) => (j === 1 || j === 2 ? at(x, i, j - 1) : 0)).data],
  },
  Concat: [
    {
      inputs: [real([2]), real([3])],
      attributes: { axis: 0 },
      shape: [5],
      expected: (a, b) => [[...a.data, ...b.data]],
    },
    {
      inputs: [real([2, 1]), real([2, 3]), real([2, 2])],
      attributes: { axis: 1 },
      shape: [2, 6],
      expected: (a, b, c) => [
        build([2, 6], (i, j) => (j < 1 ? at(a, i, j) : j < 4 ? at(b, i, j - 1) : at(c, i, j - 4))).data,
      ],
    },
  ],
  Split: {
    inputs: [real([2, 6])],
    attributes: { axis: 1, num_outputs: 3 },
    shape: [2, 2],
    expected: (x) => [0, 2, 4].map((from) => build([2, 2], (i, j) => at(x, i, from + j)).data),
  },
  Squeeze: { inputs: [real([2, 1, 3]), whole([1], [1])], shape: [2, 3], expected: unchanged },
  Unsqueeze: { inputs: [real([2, 3]), whole([1], [1])], shape: [2, 1, 3], expected: unchanged },
  Shape: { inputs: [fixed([2, 3, 4])], attributes: { start: 1, end: 3 }, shape: [2], expected: () => [[3, 4]] },
  Range: {
    inputs: [whole([], [2]), whole([], [9]), whole([], [3])],
    shape: [3],
    expected: () => [[2, 5, 8]],
  },
  ConstantOfShape: { inputs: [whole([2], [2, 3])], shape: [2, 3], expected: () => [Array<number>(6).fill(0)] },
  ReduceSum: reduction(sum),
  ReduceMean: { ...reduction(mean), inputs: [fixed([2, 3]), whole([1], [1])] },
  ReduceMax: { ...reduction((values) => Math.max(...values)), inputs: [fixed([2, 3]), whole([1], [1])] },
  ReduceSumSquare: { ...reduction((row) => sum(row.map((v) => v * v))), inputs: [fixed([2, 3]), whole([1], [1])] },
  Sum: {
    inputs: [fixed([2, 3]), fixed([2, 3]), fixed([2, 3])],
    expected: (a, b, c) => [a.data.map((v, i) => v + b.data[i]! + c.data[i]!)],
  },
  CumSum: {
    inputs: [fixed([2, 3]), whole([], [1])],
    expected: (x) => [byRow(x, (row) => row.map((_, i) => sum(row.slice(0, i + 1))))],
  },
  ArgMax: {
    inputs: [fixed([2, 3], [1, 3, 2, 5, 4, 0])],
    attributes: { axis: 1, keepdims: 1 },
    shape: [2, 1],
    expected: () => [[1, 0]],
  },
  Softmax: { inputs: [real([2, 4])], attributes: { axis: -1 }, expected: (x) => [byRow(x, softmax)] },
  LogSoftmax: {
    inputs: [real([2, 4])],
    attributes: { axis: -1 },
    expected: (x) => [byRow(x, (row) => softmax(row).map(Math.log))],
  },
  LayerNormalization: [
    { inputs: [real([2, 2, 4]), real([4]), real([4])], attributes: norm, expected: normalised(mean) },
    { inputs: [real([3, 4]), real([4])], attributes: norm, expected: normalised(mean) },
  ],
  SimplifiedLayerNormalization: {
    inputs: [real([3, 4]), real([4])],
    attributes: norm,
    expected: (x, weight) => {
      const [y, , scales] = normalised(() => 0)(x, weight)
      return [y!, scales!]
    },
  },
  RotaryEmbedding: [
    {
      inputs: [
        real([1, 3, 8]), // two heads of four
        whole([1, 3], [2, 0, 1]),
        fixed([3, 2], ANGLES.map(Math.cos)),
        fixed([3, 2], ANGLES.map(Math.sin)),
      ],
      expected: (x, positions) => {
        const rotated = build([1, 3, 8], (b, t, i) => {
          const [place, first] = [at(positions, b, t), 4 * Math.floor(i / 4)]
          return turned((d) => at(x, b, t, first + d), ANGLES.slice(2 * place, 2 * place + 2), i % 4)
        })
        return [rotated.data]
      },
    },
    {
      inputs: [
        real([1, 3, 12]), // two heads of six, of which the first four are turned, neighbours together
        whole([1, 3], [2, 0, 1]),
        fixed([3, 2], ANGLES.map(Math.cos)),
        fixed([3, 2], ANGLES.map(Math.sin)),
      ],
      attributes: { num_heads: 2, interleaved: 1, rotary_embedding_dim: 4 },
      expected: (x, positions) => {
        const rotated = build([1, 3, 12], (b, t, i) => {
          const [place, first, within] = [at(positions, b, t), 6 * Math.floor(i / 6), i % 6]
          if (within >= 4) return at(x, b, t, i)
          const pair = Math.floor(within / 2)
          const ofPair = (d: number) => at(x, b, t, first + 2 * pair + d)
          return turned(ofPair, [ANGLES[2 * place + pair]!], within % 2)
        })
        return [rotated.data]
      },
    },
  ],
  /** Of whole numbers whose largest is 127 in every block, so that rounding them to 8 bits changes nothing. */
  MatMulNBits: {
    inputs: [
      { kind: 'fixed', ...build([3, 64], (i, k) => (k % 32 === 0 ? 127 : ((7 * k + 31 * i) % 255) - 127)) },
      bytes([2, 2, 32]),
      scales([4]),
    ],
    attributes: { K: 64, N: 2, bits: 8, block_size: 32, accuracy_level: 4 },
    expected: (x, b, s) => [
      build([3, 2], (i, n) =>
        sumOver(64, (k) => {
          const block = Math.floor(k / 32)
          return at(x, i, k) * (at(b, n, block, k % 32) - 128) * at(s, 2 * n + block)
        }),
      ).data,
    ],
  },
  GroupQueryAttention: {
    inputs: [
      fixed([2, 1, 64]),
      null,
      null,
      fixed([2, 1, 4, 16]),
      fixed([2, 1, 4, 16]),
      small([2], [2, 1]),
      small([], [3]),
      fixed([4, 8], HEAD_ANGLES.flat().map(Math.cos)),
      fixed([4, 8], HEAD_ANGLES.flat().map(Math.sin)),
      whole([2, 1], [2, 1]),
    ],
    attributes: { num_heads: 2, kv_num_heads: 1, scale: { float: 0.25 }, do_rotary: 1 },
    shape: [2, 1, 32],
    expected: groupQueryAttention,
  },
  Gather: {
    inputs: [real([4, 3]), whole([2, 2], [1, 3, 1, 1])],
    attributes: { axis: 0 },
    expected: (x, i) => [build([2, 2, 3], (a, b, c) => at(x, at(i, a, b), c)).data],
  },
  GatherBlockQuantized: {
    inputs: [bytes([3, 64]), whole([2, 2], [2, 0, 1, 2]), scales([3, 2])],
    attributes: { bits: 8, block_size: 32, gather_axis: 0, quantize_axis: 1 },
    expected: (b, index, s) => [
      build([2, 2, 64], (i, j, k) => {
        const row = at(index, i, j)
        return (at(b, row, k) - 128) * at(s, row, Math.floor(k / 32))
      }).data,
    ],
  },
  GatherElements: {
    inputs: [fixed([2, 3]), whole([2, 1], [2, 0])],
    attributes: { axis: 1 },
    expected: (x) => [[at(x, 0, 2), at(x, 1, 0)]],
  },
  GatherND: {
    inputs: [fixed([2, 3, 4]), whole([2, 1], [2, 0])],
    attributes: { batch_dims: 1 },
    shape: [2, 4],
    expected: (x) => [build([2, 4], (b, i) => at(x, b, b === 0 ? 2 : 0, i)).data],
  },
  ScatterElements: {
    inputs: [fixed([3, 2]), whole([3, 2], [1, 1, 1, 1, 2, 2]), fixed([3, 2])],
    attributes: { axis: 0, reduction: 'add' },
    expected: (base, _, rows) => {
      const added = [(_: number) => 0, (j: number) => at(rows, 0, j) + at(rows, 1, j), (j: number) => at(rows, 2, j)]
      return [build([3, 2], (i, j) => at(base, i, j) + added[i]!(j)).data]
    },
  },
  ScatterND: {
    inputs: [fixed([3, 2]), whole([2, 1], [2, 0]), fixed([2, 2])],
    expected: (base, _, rows) => [
      build([3, 2], (i, j) => (i === 1 ? at(base, i, j) : at(rows, i === 2 ? 0 : 1, j))).data,
    ],
  },
}

test('every operator has a case', () => {
  assert.deepEqual(Object.keys(CASES).sort(), Object.keys(OPS).sort())
})

for (const [op, cases] of Object.entries(CASES) as [OpName, Case | Case[]][]) {
  const list = [cases].flat()
  const differentiable = typeof OPS[op].grad === 'function'
  list.forEach((c, i) => {
    const title = differentiable ? `${op}: values, and gradients by differences` : `${op}: values`
    test(list.length > 1 ? `${title}, ${i + 1} of ${list.length}` : title, () => check(op, c, differentiable))
  })
}

/**
 * Runs the operator and, where it has one, its gradient of Σ cotangent·y; holds them against the case's own
 * numbers and their central differences in double precision.
 */
async function check(op: OpName, { inputs: slots, attributes = {}, shape, expected }: Case, differentiable: boolean) {
  const inputs = slots.filter((input) => input !== null)
  const g = new Graph()
  const tensors = inputs.map((input, i) => declare(g, `x${i}`, input))
  const outputs = g.call(
    op,
    slots.map((i) => i && tensors[inputs.indexOf(i)]!),
    { attributes, ...(shape && { shape }) },
  )
  const wanted = expected(...inputs)
  wanted.forEach((_, i) => g.output(`y${i}`, outputs[i]!))

  const values: Record<string, Value> = Object.fromEntries(
    inputs.flatMap((input, i) => (isConstant(input) ? [] : [[`x${i}`, stored(input)]])),
  )
  const y = outputs[0]!
  const varied = inputs.flatMap(({ kind }, i) => (kind === 'real' ? [i] : []))
  const cotangent = fixed(y.shape as number[])
  if (differentiable) {
    const loss = g.sumAll(g.mul(y, g.input('cotangent', 'float32', y.shape)))
    const found = gradients(
      g,
      loss,
      varied.map((i) => tensors[i]!),
    )
    varied.forEach((i, n) => g.output(`dx${i}`, found[n]!))
    values.cotangent = stored(cotangent)
  }

  const results = await runGraph(g, values)
  wanted.forEach((flat, i) => assertClose(results[`y${i}`]!, flat, 2e-6, `output ${i}`))
  if (!differentiable) return
  assert.ok(varied.length > 0, 'no gradient is checked')
  const loss = (x: NdArray[]) => sum(expected(...x)[0]!.map((v, i) => v * cotangent.data[i]!))
  for (const i of varied) assertClose(results[`dx${i}`]!, differences(loss, inputs, i), 5e-6, `gradient of input ${i}`)
}

const isConstant = ({ kind }: Input) => kind === 'bytes' || kind === 'held'

function declare(g: Graph, name: string, { kind, shape, data }: Input): Tensor {
  if (kind === 'bytes') return g.constant(Uint8Array.from(data), shape)
  if (kind === 'held') return g.constant(Float32Array.from(data), shape)
  if (kind === 'bool') return g.cast(g.input(name, 'int64', shape), 'bool')
  return g.input(name, kind === 'real' || kind === 'fixed' ? 'float32' : kind, shape)
}

const stored = ({ kind, shape, data }: Input): Value => ({
  type: kind === 'real' || kind === 'fixed' ? 'float32' : kind === 'int32' ? 'int32' : 'int64',
  shape,
  data,
})

/** Central differences of f by every entry of its i-th argument. */
function differences(f: (x: NdArray[]) => number, x: readonly NdArray[], i: number): number[] {
  const step = 1e-5
  const moved = (entry: number, by: number) =>
    x.map((array, n) => (n === i ? { ...array, data: array.data.with(entry, array.data[entry]! + by) } : array))
  return x[i]!.data.map((_, entry) => (f(moved(entry, step)) - f(moved(entry, -step))) / (2 * step))
}
