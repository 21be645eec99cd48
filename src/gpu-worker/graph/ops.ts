import type { Graph } from './graph.ts'
import { broadcastShape, type Attribute, type Dim, type ElementType, type OpName, type Tensor } from './tensor.ts'

/**
 * One input's share of a gradient: either a function that yields it, in the input's shape or in one that the input was
 * broadcast to, or one that adds it, in the input's own, into what other uses of the same tensor have contributed so far
 * (for ops that can accumulate for less than an Add costs).
 */
export type GradientTerm = (() => Tensor) | { into: (accumulated: Tensor | null) => Tensor } | null

export interface GradientContext {
  g: Graph
  x: Tensor[]
  y: Tensor[]
  /** Gradients of the outputs; an output that nothing depends on has none. */
  dy: Tensor[]
  attributes: Readonly<Record<string, Attribute>>
}

export const NOT_DIFFERENTIABLE = 'not differentiable'

export interface OpCall {
  inputs: readonly (Tensor | null)[]
  attributes: Readonly<Record<string, Attribute>>
  /** The output's shape, for ops whose shape comes from an input's values (Reshape, Expand, Slice, …). */
  shape?: readonly Dim[] | undefined
}

export interface OpDef {
  domain?: 'com.microsoft'
  /** Shape and type of every output. */
  infer: (call: OpCall) => { shape: readonly Dim[]; type: ElementType }[]
  /** One term an input, in order; `null` where an input takes no gradient (indices, shapes). */
  grad: ((context: GradientContext) => GradientTerm[]) | typeof NOT_DIFFERENTIABLE
}

const first = ({ inputs }: OpCall): Tensor => inputs[0]!
const sameAsFirst: OpDef['infer'] = (call) => [{ shape: first(call).shape, type: first(call).type }]
const broadcast: OpDef['infer'] = ({ inputs }) => [
  { shape: inputs.map((t) => t!.shape).reduce<readonly Dim[]>(broadcastShape, []), type: inputs.at(-1)!.type },
]
const comparison: OpDef['infer'] = (call) => [{ shape: broadcast(call)[0]!.shape, type: 'bool' }]
/** The caller states the shape; the type is that of the first input unless named. */
const stated =
  (type?: ElementType): OpDef['infer'] =>
  (call) => {
    if (!call.shape) throw new Error('this op needs its output shape stated')
    return [{ shape: call.shape, type: type ?? first(call).type }]
  }

const matmul: OpDef['infer'] = ({ inputs: [a, b], attributes: { transA, transB } }) => {
  const [rows, inner] = transA ? [a!.shape.at(-1)!, a!.shape.at(-2)!] : [a!.shape.at(-2)!, a!.shape.at(-1)!]
  const [innerB, columns] = transB ? [b!.shape.at(-1)!, b!.shape.at(-2)!] : [b!.shape.at(-2)!, b!.shape.at(-1)!]
  if (inner !== innerB) throw new Error(`cannot multiply [${a!.shape}] by [${b!.shape}]: ${inner} is not ${innerB}`)
  return [{ shape: [...a!.shape.slice(0, -2), rows, columns], type: a!.type }]
}

/** y = α·op(a)·op(b): each operand's gradient is again one product, with its own pair of transposes. */
const matmulGrad = ({ g, x: [a, b], dy: [dy], attributes }: GradientContext): GradientTerm[] => {
  const tA = Boolean(attributes.transA)
  const tB = Boolean(attributes.transB)
  const alpha = (attributes.alpha as { float: number }).float
  const terms: [Tensor, Tensor, boolean, boolean][] = [
    tA ? [b!, dy!, tB, true] : [dy!, b!, false, !tB],
    tB ? [dy!, a!, true, tA] : [a!, dy!, !tA, false],
  ]
  return terms.map(([p, q, transA, transB]) => ({
    into: (accumulated) => g.matmulInto(accumulated, p, q, { transA, transB, alpha }),
  }))
}

const elementwise = (grad: (c: GradientContext) => Tensor): OpDef => ({
  infer: sameAsFirst,
  grad: (c) => [() => grad(c)],
})

const binary = (grad: (c: GradientContext) => [GradientTerm, GradientTerm]): OpDef => ({
  infer: broadcast,
  grad,
})

/** Layer norm statistics: the saved inverse deviation (and mean) make the gradient cheap. */
const normStatistics = (shape: readonly Dim[]): Dim[] => [...shape.slice(0, -1), 1]

/**
 * Every operator the engine may emit: its ONNX domain, its shape rule and its gradient.
 * An op without a gradient says so; leaving the field out does not compile.
 */
export const OPS: Record<OpName, OpDef> = {
  // elementwise
  Add: binary(({ dy: [dy] }) => [() => dy!, () => dy!]),
  Sub: binary(({ g, dy: [dy] }) => [() => dy!, () => g.neg(dy!)]),
  Mul: binary(({ g, x: [a, b], dy: [dy] }) => [() => g.mul(dy!, b!), () => g.mul(dy!, a!)]),
  Div: binary(({ g, x: [, b], y: [y], dy: [dy] }) => [() => g.div(dy!, b!), () => g.neg(g.div(g.mul(dy!, y!), b!))]),
  Min: binary(({ g, x: [a, b], dy: [dy] }) => [
    () => g.where(g.lessOrEqual(a!, b!), dy!, g.scalar(0)),
    () => g.where(g.lessOrEqual(a!, b!), g.scalar(0), dy!),
  ]),
  Max: binary(({ g, x: [a, b], dy: [dy] }) => [
    () => g.where(g.lessOrEqual(b!, a!), dy!, g.scalar(0)),
    () => g.where(g.lessOrEqual(b!, a!), g.scalar(0), dy!),
  ]),
  Neg: elementwise(({ g, dy: [dy] }) => g.neg(dy!)),
  Exp: elementwise(({ g, y: [y], dy: [dy] }) => g.mul(dy!, y!)),
  Log: elementwise(({ g, x: [x], dy: [dy] }) => g.div(dy!, x!)),
  Sqrt: elementwise(({ g, y: [y], dy: [dy] }) => g.div(g.mul(dy!, g.scalar(0.5)), y!)),
  Sigmoid: elementwise(({ g, y: [y], dy: [dy] }) => g.mul(dy!, g.mul(y!, g.sub(g.scalar(1), y!)))),
  Tanh: elementwise(({ g, y: [y], dy: [dy] }) => g.mul(dy!, g.sub(g.scalar(1), g.mul(y!, y!)))),
  Relu: elementwise(({ g, y: [y], dy: [dy] }) => g.mul(dy!, g.op('Sign', [y!]))),
  Erf: elementwise(({ g, x: [x], dy: [dy] }) =>
    g.mul(dy!, g.mul(g.scalar(2 / Math.sqrt(Math.PI)), g.exp(g.neg(g.mul(x!, x!))))),
  ),
  Cos: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
  Sin: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
  /** x·Φ(x), the exact form; d/dx = Φ(x) + x·φ(x). */
  Gelu: {
    domain: 'com.microsoft',
    ...elementwise(({ g, x: [x], dy: [dy] }) => {
      const cdf = g.mul(g.add(g.op('Erf', [g.mul(x!, g.scalar(Math.SQRT1_2))]), g.scalar(1)), g.scalar(0.5))
      const pdf = g.mul(g.exp(g.mul(g.mul(x!, x!), g.scalar(-0.5))), g.scalar(1 / Math.sqrt(2 * Math.PI)))
      return g.mul(dy!, g.add(cdf, g.mul(x!, pdf)))
    }),
  },
  Where: {
    infer: ({ inputs: [condition, a, b] }) => [
      { shape: broadcastShape(condition!.shape, broadcastShape(a!.shape, b!.shape)), type: a!.type },
    ],
    grad: ({ g, x: [condition], dy: [dy] }) => [
      null,
      () => g.where(condition!, dy!, g.scalar(0)),
      () => g.where(condition!, g.scalar(0), dy!),
    ],
  },
  Sign: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
  LessOrEqual: { infer: comparison, grad: NOT_DIFFERENTIABLE },
  Less: { infer: comparison, grad: NOT_DIFFERENTIABLE },
  Equal: { infer: comparison, grad: NOT_DIFFERENTIABLE },
  And: { infer: comparison, grad: NOT_DIFFERENTIABLE },
  Or: { infer: comparison, grad: NOT_DIFFERENTIABLE },
  Cast: {
    infer: ({ inputs: [x], attributes: { to } }) => [
      { shape: x!.shape, type: ({ 1: 'float32', 6: 'int32', 7: 'int64', 9: 'bool' } as const)[to as 1 | 6 | 7 | 9] },
    ],
    grad: NOT_DIFFERENTIABLE,
  },
  Identity: elementwise(({ dy: [dy] }) => dy!),

  // products
  /** [M,K]·[K,N] (+ C): the only product whose operands ONNX Runtime packs in both orders. */
  Gemm: {
    infer: matmul,
    grad: (c) => [...matmulGrad(c), () => c.dy[0]!],
  },
  FusedMatMul: { domain: 'com.microsoft', infer: matmul, grad: matmulGrad },
  /** x·Wᵀ with W [N,K] in blocks of bytes [N, K/block, block] and scales [N·K/block], which must be constants. Generation only. */
  MatMulNBits: {
    domain: 'com.microsoft',
    infer: ({ inputs: [x], attributes: { N } }) => [{ shape: [...x!.shape.slice(0, -1), N as number], type: x!.type }],
    grad: NOT_DIFFERENTIABLE,
  },

  // shape
  Reshape: { infer: stated(), grad: ({ g, x: [x], dy: [dy] }) => [() => g.reshape(dy!, x!.shape), null] },
  Expand: { infer: stated(), grad: ({ dy: [dy] }) => [() => dy!, null] },
  Transpose: {
    infer: (call) => [
      { shape: (call.attributes.perm as number[]).map((p) => first(call).shape[p]!), type: first(call).type },
    ],
    grad: ({ g, dy: [dy], attributes }) => {
      const perm = attributes.perm as number[]
      return [
        () =>
          g.transpose(
            dy!,
            perm.map((_, i) => perm.indexOf(i)),
          ),
      ]
    },
  },
  Slice: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  Pad: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  /** Differentiable where the joined sizes are known beforehand. */
  Concat: {
    infer: stated(),
    grad: ({ g, x, dy: [dy], attributes }) => {
      const axis = attributes.axis as number
      const ends = x.map(() => 0)
      x.forEach((part, i) => (ends[i] = (ends[i - 1] ?? 0) + (part.shape[axis] as number)))
      return x.map(({ shape }, i) => () => {
        const [from, to] = [g.ints([ends[i - 1] ?? 0]), g.ints([ends[i]!])]
        return g.op('Slice', [dy!, from, to, g.ints([axis])], { shape })
      })
    },
  },
  /** Equal parts; an output that nothing depends on has a gradient of zeros. */
  Split: {
    infer: ({ inputs: [x], attributes: { num_outputs }, shape }) =>
      Array.from({ length: num_outputs as number }, () => ({ shape: shape!, type: x!.type })),
    grad: ({ g, x: [x], y, dy, attributes }) => [
      () =>
        g.concat(
          y.map((part, i) => dy[i] ?? g.mul(part, g.scalar(0))),
          attributes.axis as number,
          x!.shape,
        ),
    ],
  },
  Squeeze: { infer: stated(), grad: ({ g, x: [x], dy: [dy] }) => [() => g.reshape(dy!, x!.shape), null] },
  Unsqueeze: { infer: stated(), grad: ({ g, x: [x], dy: [dy] }) => [() => g.reshape(dy!, x!.shape), null] },
  Shape: { infer: stated('int64'), grad: NOT_DIFFERENTIABLE },
  Range: { infer: stated('int64'), grad: NOT_DIFFERENTIABLE },
  ConstantOfShape: { infer: stated('float32'), grad: NOT_DIFFERENTIABLE },

  // reductions
  /** Summed axes stay, as ones. */
  ReduceSum: { infer: stated(), grad: ({ g, x: [x], dy: [dy] }) => [() => g.expand(dy!, x!.shape), null] },
  ReduceMean: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  ReduceMax: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  ReduceSumSquare: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  Sum: { infer: broadcast, grad: NOT_DIFFERENTIABLE },
  CumSum: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
  ArgMax: { infer: stated('int64'), grad: NOT_DIFFERENTIABLE },

  // normalisation and attention
  /** Over the last axis: dx = y∘(dy − Σ dy∘y). */
  Softmax: {
    infer: sameAsFirst,
    grad: ({ g, y: [y], dy: [dy] }) => [
      () => {
        const weighted = g.mul(dy!, y!)
        return g.sub(weighted, g.mul(y!, g.sum(weighted, [y!.shape.length - 1])))
      },
    ],
  },
  /** Over the last axis: dx = dy − exp(y)·Σdy. */
  LogSoftmax: {
    infer: sameAsFirst,
    grad: ({ g, y: [y], dy: [dy] }) => [() => g.sub(dy!, g.mul(g.exp(y!), g.sum(dy!, [y!.shape.length - 1])))],
  },
  /** Outputs y, mean, 1/deviation. With n = (x−μ)·s and d = dy∘w: dx = (d − mean(d) − n·mean(d∘n))·s. */
  LayerNormalization: {
    infer: (call) => {
      const { shape, type } = first(call)
      return [
        { shape, type },
        { shape: normStatistics(shape), type },
        { shape: normStatistics(shape), type },
      ]
    },
    grad: ({ g, x: [x, weight], y: [, mean, inverse], dy: [dy] }) => {
      const n = () => g.mul(g.sub(x!, mean!), inverse!)
      return [
        () => {
          const normal = n()
          const d = g.mul(dy!, weight!)
          return g.mul(g.sub(g.sub(d, g.meanLast(d)), g.mul(normal, g.meanLast(g.mul(d, normal)))), inverse!)
        },
        () => g.mul(dy!, n()),
        () => dy!,
      ]
    },
  },
  /** RMS norm. Outputs y, 1/rms. With n = x·s and d = dy∘w: dx = (d − n·mean(d∘n))·s. */
  SimplifiedLayerNormalization: {
    infer: (call) => {
      const { shape, type } = first(call)
      return [
        { shape, type },
        { shape: normStatistics(shape), type },
      ]
    },
    grad: ({ g, x: [x, weight], y: [, inverse], dy: [dy] }) => {
      const n = g.mul(x!, inverse!)
      return [
        () => {
          const d = g.mul(dy!, weight!)
          return g.mul(g.sub(d, g.mul(n, g.meanLast(g.mul(d, n)))), inverse!)
        },
        () => g.mul(dy!, n),
      ]
    },
  },
  /** Rotation by position; its gradient is the rotation by the opposite angle. Inputs x, positions, cos, sin. */
  RotaryEmbedding: {
    domain: 'com.microsoft',
    infer: sameAsFirst,
    grad: ({ g, x: [, positions, cos, sin], dy: [dy], attributes }) => [
      () => g.op('RotaryEmbedding', [dy!, positions!, cos!, g.neg(sin!)], { attributes }),
      null,
      null,
      null,
    ],
  },
  /** Attention of new queries, packed with their keys and values, over a key/value cache that it extends in place. Generation only. */
  GroupQueryAttention: {
    domain: 'com.microsoft',
    infer: ({ inputs: [packed, , , pastK, pastV], shape }) => [
      { shape: shape!, type: packed!.type },
      { shape: pastK!.shape, type: pastK!.type },
      { shape: pastV!.shape, type: pastV!.type },
    ],
    grad: NOT_DIFFERENTIABLE,
  },

  // indexing
  /** Rows of x: the gradient adds each row's share back (an index may repeat). */
  Gather: {
    infer: ({ inputs: [x, indices] }) => [{ shape: [...indices!.shape, ...x!.shape.slice(1)], type: x!.type }],
    grad: ({ g, x: [x, indices], dy: [dy] }) => [
      { into: (accumulated) => g.addRows(accumulated ?? g.zeros(x!.shape), indices!, dy!) },
      null,
    ],
  },
  /** Rows of a matrix in blocks: bytes [N,K], scales [N, K/block]. Generation only. */
  GatherBlockQuantized: {
    domain: 'com.microsoft',
    infer: ({ inputs: [x, indices, scales] }) => [
      { shape: [...indices!.shape, ...x!.shape.slice(1)], type: scales!.type },
    ],
    grad: NOT_DIFFERENTIABLE,
  },
  GatherElements: {
    infer: ({ inputs: [x, indices] }) => [{ shape: indices!.shape, type: x!.type }],
    grad: NOT_DIFFERENTIABLE,
  },
  GatherND: { infer: stated(), grad: NOT_DIFFERENTIABLE },
  ScatterElements: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
  ScatterND: { infer: sameAsFirst, grad: NOT_DIFFERENTIABLE },
}
