import { Graph } from '../graph/graph.ts'
import type { WeightLayout } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { Model } from '../models/model.ts'
import { TrainingLayers } from './training-layers.ts'

export interface WeightUses {
  /** What the model passes through `linear` on its way from tokens to hidden states, in that order. */
  projections: Map<string, WeightLayout>
  /** The parameter that a token's vector is read from. */
  tokenTable: string
}

/** What a model does with its matrices, found by listening to it. */
export function weightUses(model: Model): WeightUses {
  const projections = new Map<string, WeightLayout>()
  let tokenTable = model.head
  class Listening extends TrainingLayers {
    override linear(...[x, name, layout]: Parameters<TrainingLayers['linear']>) {
      projections.set(name, layout ?? 'out-in')
      return super.linear(x, name, layout)
    }

    override embed(name: string, ids?: Tensor) {
      if (!ids) tokenTable = name
      return super.embed(name, ids)
    }
  }
  model.hidden(new Listening(new Graph(), model, { maxTokens: 1 }))
  return { projections, tokenTable }
}
