import type { Graph } from './graph.ts'
import type { Dim, Tensor } from './tensor.ts'

/** How a checkpoint keeps a projection's weight. */
export type WeightLayout = 'out-in' | 'in-out'

/** x·Wᵀ (+ b), or x·W for a weight kept [in,out]. x [N,in], bias [out] → [N,out] */
export function linear(g: Graph, x: Tensor, weight: Tensor, bias?: Tensor, layout: WeightLayout = 'out-in'): Tensor {
  const product = g.matmul(x, weight, { transB: layout === 'out-in' })
  return bias ? g.add(product, bias) : product
}

/** Root-mean-square norm over the last axis (arXiv 1910.07467). */
export const rmsNorm = (g: Graph, x: Tensor, weight: Tensor, epsilon: number): Tensor =>
  g.op('SimplifiedLayerNormalization', [x, weight], { attributes: normAttributes(epsilon) })

export const layerNorm = (g: Graph, x: Tensor, weight: Tensor, bias: Tensor | null, epsilon: number): Tensor =>
  g.op('LayerNormalization', bias ? [x, weight, bias] : [x, weight], { attributes: normAttributes(epsilon) })

const normAttributes = (epsilon: number) => ({ axis: -1, epsilon: { float: epsilon }, stash_type: 1 })

export const ACTIVATIONS = {
  relu: (g: Graph, x: Tensor) => g.op('Relu', [x]),
  /** x·Φ(x), exact. */
  gelu: (g: Graph, x: Tensor) => g.op('Gelu', [x]),
  /** The tanh approximation: ½x(1 + tanh(√(2/π)(x + 0.044715x³))). */
  gelu_new: (g: Graph, x: Tensor) => {
    const cubic = g.add(x, g.mul(g.mul(g.mul(x, x), x), g.scalar(0.044715)))
    const gate = g.add(g.op('Tanh', [g.mul(cubic, g.scalar(Math.sqrt(2 / Math.PI)))]), g.scalar(1))
    return g.mul(g.mul(x, gate), g.scalar(0.5))
  },
  /** relu(x)² (Primer, arXiv 2109.08668). */
  relu2: (g: Graph, x: Tensor) => {
    const positive = g.op('Relu', [x])
    return g.mul(positive, positive)
  },
  silu,
}

export type Activation = keyof typeof ACTIVATIONS

/**
 * y = x·s with s = σ(x); dy/dx = s + y·(1 − s), in which x is not needed any more. Both nodes are vectorised, which ONNX
 * Runtime's one node for it (QuickGelu) is not: it takes more than twice their time.
 */
function silu(g: Graph, x: Tensor): Tensor {
  let s: Tensor | undefined
  let y: Tensor | undefined
  return g.composite(
    [x],
    () => {
      s = g.op('Sigmoid', [x])
      y = g.mul(x, s)
      return y
    },
    (gradients, dy) => {
      gradients.add(x, () => g.mul(dy, g.add(s!, g.mul(y!, g.sub(g.scalar(1), s!)))))
    },
  )
}

/** cap·tanh(x/cap): numbers that never pass ±cap. */
export const softcap = (g: Graph, x: Tensor, cap: number): Tensor =>
  g.mul(g.op('Tanh', [g.mul(x, g.scalar(1 / cap))]), g.scalar(cap))

/** d/dx of {@link softcap}, from what it gave: 1 − (y/cap)². */
export function softcapSlope(g: Graph, y: Tensor, cap: number): Tensor {
  const share = g.mul(y, g.scalar(1 / cap))
  return g.sub(g.scalar(1), g.mul(share, share))
}

/** How the product of hidden states and the head, z [R,V], becomes logits: cap·tanh((z + b)/cap). */
export interface AfterHead {
  /** b, [V] */
  bias?: Tensor | undefined
  /** None when absent. */
  cap?: number | undefined
}

export function finishLogits(g: Graph, product: Tensor, { bias, cap }: AfterHead): Tensor {
  const biased = bias ? g.add(product, bias) : product
  return cap ? softcap(g, biased, cap) : biased
}

type AttentionInputs = Record<'q' | 'k' | 'v' | 'bias', Tensor> & {
  alpha: number
  cap?: number | undefined
  scores: Dim[]
}

/**
 * softmax(cap(α·q·kᵀ) + bias)·v, with the gradient of FlashAttention (arXiv 2205.14135): the row sums of dO∘O
 * stand in for those of dP∘P.
 *
 * @param q [B,K,G·T,D] queries, those that share a key/value head together
 * @param k,v [B,K,T,D]
 * @param bias [B,K,G,T,T], added to the scores
 * @param cap the scores go through cap·tanh(score/cap) before; not at all when absent
 * @param scores names of that shape's sizes; B may stand for several
 */
export function attention(g: Graph, { q, k, v, bias, alpha, cap, scores }: AttentionInputs): Tensor {
  let capped: Tensor | undefined
  let probabilities: Tensor | undefined
  let out: Tensor | undefined
  return g.composite(
    [q, k, v],
    () => {
      const product = g.matmul(q, k, { transB: true, alpha }) // [B,K,G·T,T]
      if (cap) capped = softcap(g, product, cap)
      const raw = capped ?? product
      const masked = g.add(g.reshape(raw, scores), bias) // [B,K,G,T,T]
      probabilities = g.reshape(g.op('Softmax', [masked], { attributes: { axis: -1 } }), raw.shape)
      out = g.matmul(probabilities, v)
      return out
    },
    (gradients, dO) => {
      const dP = g.matmul(dO, v, { transB: true })
      const rowSums = g.sum(g.mul(dO, out!), [dO.shape.length - 1]) // [B,K,G·T,1]
      const beyondCap = g.mul(g.sub(dP, rowSums), probabilities!)
      const dS = capped ? g.mul(beyondCap, softcapSlope(g, capped, cap!)) : beyondCap
      gradients.add(q, () => g.matmul(dS, k, { alpha }))
      gradients.add(k, () => g.matmul(dS, q, { transA: true, alpha }))
      gradients.add(v, () => g.matmul(probabilities!, dO, { transA: true }))
    },
  )
}
