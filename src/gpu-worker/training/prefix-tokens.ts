import type { Graph } from '../graph/graph.ts'
import type { Dim, Tensor } from '../graph/tensor.ts'

/**
 * Where the tokens of texts that begin alike go for attention: [N,F] are all tokens, [Q,P,F] what each of Q groups
 * shares, [Q,A,S,F] what is of each of its A texts alone, padded. Adds the inputs `shared`, `own`, `shared_lengths` and
 * `place` of a PrefixBatch.
 */
export class PrefixTokens {
  readonly sharedLengths: Tensor
  private readonly g: Graph
  private readonly sharedIndex: Tensor
  private readonly ownIndex: Tensor
  private readonly place: Tensor

  constructor(g: Graph) {
    this.g = g
    this.sharedIndex = g.input('shared', 'int64', ['Q', 'P'])
    this.ownIndex = g.input('own', 'int64', ['Q', 'A', 'S'])
    this.sharedLengths = g.input('shared_lengths', 'int64', ['Q'])
    this.place = g.input('place', 'int64', ['N'])
    g.nameDimension('Q', () => g.sizeOf(this.sharedIndex, 0))
    g.nameDimension('P', () => g.sizeOf(this.sharedIndex, 1))
    g.nameDimension('A', () => g.sizeOf(this.ownIndex, 1))
    g.nameDimension('S', () => g.sizeOf(this.ownIndex, 2))
    g.nameDimension('P+S', () => g.op('Add', [g.dimension('P'), g.dimension('S')]))
    g.nameDimension('QP', () => g.op('Mul', [g.dimension('Q'), g.dimension('P')]))
    g.nameDimension('QAS', () => g.op('Mul', [g.dimension('Q'), g.op('Mul', [g.dimension('A'), g.dimension('S')])]))
    g.nameDimension('places', () => g.op('Add', [g.dimension('QP'), g.dimension('QAS')]))
  }

  /** What each group shares: [N,F] → [Q,P,F]. */
  shared(x: Tensor): Tensor {
    const { g } = this
    return this.taken(x, this.sharedIndex, 'QP', () => g.op('Min', [this.place, g.dimension('QP')]))
  }

  /** What each text has alone: [N,F] → [Q,A,S,F]. */
  own(x: Tensor): Tensor {
    const { g } = this
    return this.taken(x, this.ownIndex, 'QAS', () => {
      const place = g.op('Sub', [this.place, g.dimension('QP')])
      return g.where(g.op('Less', [place, g.ints([0])]), g.dimension('QAS'), place)
    })
  }

  /**
   * Rows by `index`, whose padding nobody looks at: each row's gradient is that of the one place it went to.
   * @param places name of how many there are
   * @param placeOf where each row went; one past the end where it is not among them
   */
  private taken(x: Tensor, index: Tensor, places: 'QP' | 'QAS', placeOf: () => Tensor): Tensor {
    const { g } = this
    const F = x.shape[1]!
    return g.composite(
      [x],
      () => g.gather(x, index),
      (gradients, dy) => {
        const orNone = () => g.concat([g.reshape(dy, [places, F]), g.zeros([1, F])], 0, [`${places}+1`, F])
        gradients.add(x, () => g.gather(orNone(), placeOf()))
      },
    )
  }

  /** What is shared, and after it what each text has alone: [Q,P,F], [Q,A,S,F] → [Q,A,P+S,F]. */
  behindShared(shared: Tensor, own: Tensor): Tensor {
    const { g } = this
    const F = shared.shape[2]!
    const part = (x: Tensor, from: Tensor, to: Tensor, size: Dim) =>
      g.op('Slice', [x, from, to, g.ints([2])], { shape: ['Q', 'A', size, F] })
    return g.composite(
      [shared, own],
      () => {
        const repeated = g.expand(g.op('Unsqueeze', [shared, g.ints([1])], { shape: ['Q', 1, 'P', F] }), [
          'Q',
          'A',
          'P',
          F,
        ])
        return g.concat([repeated, own], 2, ['Q', 'A', 'P+S', F])
      },
      (gradients, dy) => {
        gradients.add(shared, () => g.reshape(g.sum(part(dy, g.ints([0]), g.dimension('P'), 'P'), [1]), shared.shape))
        gradients.add(own, () => part(dy, g.dimension('P'), g.dimension('P+S'), 'S'))
      },
    )
  }

  /**
   * The last position of the text that each token is of, [N,1]; of what several texts share, that of the longest.
   * @param positions [N,1] int64
   */
  lastPositions(positions: Tensor): Tensor {
    const { g } = this
    const largest = (x: Tensor, axis: number, shape: Dim[]) =>
      g.op('ReduceMax', [x, g.ints([axis])], { attributes: { keepdims: 1 }, shape })
    const own = g.reshape(g.gather(positions, this.ownIndex), ['Q', 'A', 'S'])
    const ofTexts = largest(own, 2, ['Q', 'A', 1])
    const ofGroups = g.reshape(largest(ofTexts, 1, ['Q', 1, 1]), ['Q', 1])
    const parts = [
      g.reshape(g.expand(ofGroups, ['Q', 'P']), ['QP', 1]),
      g.reshape(g.expand(ofTexts, ['Q', 'A', 'S']), ['QAS', 1]),
    ]
    return g.gather(g.concat(parts, 0, ['places', 1]), this.place)
  }

  /** All tokens in their order again: [Q,P,F], [Q,A,S,F] → [N,F]. */
  collect(shared: Tensor, own: Tensor): Tensor {
    const { g, place } = this
    const F = shared.shape[2]!
    return g.composite(
      [shared, own],
      () => {
        const parts = [g.reshape(shared, ['QP', F]), g.reshape(own, ['QAS', F])]
        return g.gather(g.concat(parts, 0, ['places', F]), place)
      },
      (gradients, dy) => {
        const spread = g.op('ScatterND', [g.zeros(['places', F]), g.reshape(place, ['N', 1]), dy])
        const rows = (from: Tensor, to: Tensor, size: string) =>
          g.op('Slice', [spread, from, to, g.ints([0])], { shape: [size, F] })
        gradients.add(shared, () => g.reshape(rows(g.ints([0]), g.dimension('QP'), 'QP'), shared.shape))
        gradients.add(own, () => g.reshape(rows(g.dimension('QP'), g.dimension('places'), 'QAS'), own.shape))
      },
    )
  }
}
