import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'

/**
 * log softmax(h·Eᵀ/temperature)[target] of each position. Its gradient is (onehot − p)·E/temperature; the
 * one-hot part is a gather and a scatter, so that nothing of size [M,V] is built but the logits and p, which
 * ONNX Runtime puts in their place.
 *
 * @param hidden [M,H]
 * @param head [V,H]
 * @param targets [M] int64
 * @param inverseTemperature scalar
 * @returns [M]
 */
export function tokenLogprobs(
  g: Graph,
  hidden: Tensor,
  head: Tensor,
  targets: Tensor,
  inverseTemperature: Tensor,
): Tensor {
  const M = hidden.shape[0]!
  let p: Tensor | undefined
  return g.composite(
    [hidden, head],
    () => {
      const largestOf = (x: Tensor) =>
        g.op('ReduceMax', [x, g.ints([1])], { attributes: { keepdims: 1 }, shape: [M, 1] })
      const logits = g.matmul(g.mul(hidden, inverseTemperature), head, { transB: true }) // [M,V]
      const picked = g.op('GatherElements', [logits, g.reshape(targets, [M, 1])], { attributes: { axis: 1 } })
      const largest = largestOf(logits)
      p = g.op('Softmax', [logits], { attributes: { axis: -1 } })
      // log Σ exp(logits) = largest − log(largest p), and that p is at least 1/V.
      return g.reshape(g.add(g.sub(picked, largest), g.log(largestOf(p))), [M])
    },
    (gradients, dy) => {
      const d = g.mul(g.reshape(dy, [M, 1]), inverseTemperature) // [M,1]
      gradients.add(hidden, () => g.mul(g.sub(g.gather(head, targets), g.matmul(p!, head)), d))
      gradients.add(head, {
        into: (accumulated) => {
          const weighted = g.mul(hidden, d) // [M,H]
          const spread = g.matmulInto(accumulated, p!, g.neg(weighted), { transA: true, transB: false, alpha: 1 })
          return g.addRows(spread, targets, weighted)
        },
      })
    },
  )
}
