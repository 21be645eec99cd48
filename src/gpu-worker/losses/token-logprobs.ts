import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'

/**
 * log softmax(h·Eᵀ/temperature)[target] of each position. Its gradient is (onehot − p)·E/temperature; the
 * one-hot part is a gather and a scatter, so that nothing of size [M,V] is built but the logits' own.
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
  let logprobs: Tensor | undefined
  return g.composite(
    [hidden, head],
    () => {
      const scaled = g.mul(hidden, inverseTemperature)
      logprobs = g.op('LogSoftmax', [g.matmul(scaled, head, { transB: true })], { attributes: { axis: -1 } }) // [M,V]
      const picked = g.op('GatherElements', [logprobs, g.reshape(targets, [M, 1])], { attributes: { axis: 1 } })
      return g.reshape(picked, [M])
    },
    (gradients, dy) => {
      const d = g.mul(g.reshape(dy, [M, 1]), inverseTemperature) // [M,1]
      const p = g.exp(logprobs!) // [M,V]
      gradients.add(hidden, () => g.mul(g.sub(g.gather(head, targets), g.matmul(p, head)), d))
      gradients.add(head, {
        into: (accumulated) => {
          const weighted = g.mul(hidden, d) // [M,H]
          const spread = g.matmulInto(accumulated, p, g.neg(weighted), { transA: true, transB: false, alpha: 1 })
          return g.addRows(spread, targets, weighted)
        },
      })
    },
  )
}
