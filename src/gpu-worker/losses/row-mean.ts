import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'

/**
 * At each token the mean of x over the tokens of its row. Takes no gradient.
 *
 * @param x [M]
 * @param rows [M] int64: the number, from 0, of the row that each token is of; there are no more rows than tokens
 * @returns [M]
 */
export function rowMean(g: Graph, x: Tensor, rows: Tensor): Tensor {
  const M = x.shape[0]!
  return g.untaped(() => {
    const totals = (of: Tensor) => g.gather(g.addRows(g.zeros([M, 1]), rows, g.reshape(of, [M, 1])), rows) // [M,1]
    const ones = g.expand(g.scalar(1), [M])
    return g.reshape(g.div(totals(x), totals(ones)), [M])
  })
}
