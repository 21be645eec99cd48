import type { Graph } from '../graph/graph.ts'
import { finishLogits, softcapSlope, type AfterHead } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'

/**
 * log softmax(logits/temperature)[target] of each position, with logits = cap(h·Eᵀ + b). Its gradient is
 * (onehot − p)∘slope of the cap·E/temperature; the one-hot part is a gather and a scatter, so that nothing of size [M,V] is built but
 * the logits and p, which ONNX Runtime puts in their place, and the slope where there is a cap.
 *
 * @param hidden h, [M,H]
 * @param weight E, [V,H]
 * @param targets [M] int64
 * @param inverseTemperature scalar
 * @returns [M]
 */
export function tokenLogprobs(
  g: Graph,
  hidden: Tensor,
  weight: Tensor,
  { bias, cap }: AfterHead,
  targets: Tensor,
  inverseTemperature: Tensor,
): Tensor {
  const M = hidden.shape[0]!
  let p: Tensor | undefined
  let logits: Tensor | undefined
  const pick = (x: Tensor) => g.op('GatherElements', [x, g.reshape(targets, [M, 1])], { attributes: { axis: 1 } })
  return g.composite(
    [hidden, weight, ...(bias ? [bias] : [])],
    () => {
      const largestOf = (x: Tensor) =>
        g.op('ReduceMax', [x, g.ints([1])], { attributes: { keepdims: 1 }, shape: [M, 1] })
      if (bias || cap) logits = finishLogits(g, g.matmul(hidden, weight, { transB: true }), { bias, cap }) // [M,V]
      const scaled = logits
        ? g.mul(logits, inverseTemperature)
        : g.matmul(g.mul(hidden, inverseTemperature), weight, { transB: true })
      const largest = largestOf(scaled)
      p = g.op('Softmax', [scaled], { attributes: { axis: -1 } })
      // log Σ exp(logits) = largest − log(largest p), and that p is at least 1/V.
      return g.reshape(g.add(g.sub(pick(scaled), largest), g.log(largestOf(p))), [M])
    },
    (gradients, dy) => {
      const d = g.mul(g.reshape(dy, [M, 1]), inverseTemperature) // [M,1]
      const slope = cap ? softcapSlope(g, logits!, cap) : null // [M,V]
      const spreadP = slope ? g.mul(p!, slope) : p! // [M,V]
      const atTarget = slope ? g.mul(d, pick(slope)) : d // [M,1]
      gradients.add(hidden, () => {
        const row = g.gather(weight, targets) // [M,H]
        return g.mul(g.sub(slope ? g.mul(row, pick(slope)) : row, g.matmul(spreadP, weight)), d)
      })
      gradients.add(weight, {
        into: (accumulated) => {
          const others = g.neg(g.mul(hidden, d)) // [M,H]
          const spread = g.matmulInto(accumulated, spreadP, others, { transA: true, transB: false, alpha: 1 })
          return g.addRows(spread, targets, g.mul(hidden, atTarget))
        },
      })
      if (!bias) return
      const V = bias.shape[0]!
      gradients.add(bias, () => {
        const others = g.reshape(g.neg(g.sum(g.mul(spreadP, d), [0])), [V, 1])
        return g.reshape(g.addRows(others, targets, atTarget), [V])
      })
    },
  )
}
