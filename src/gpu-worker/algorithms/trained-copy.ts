import { join } from 'node:path'
import { checkWeights } from '../models/load-folder.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import { readShards } from '../weights/weight-files.ts'

/** A second copy of what a run trains (for LoRA the adapter alone), as it was at one moment. */
export class TrainedCopy {
  /** The copies, by parameter. */
  readonly own: Weights
  private readonly weights: Weights

  private constructor(own: Weights, weights: Weights) {
    this.own = own
    this.weights = weights
  }

  /** Of this moment. */
  static of({ model, weights }: { model: Model; weights: Weights }): TrainedCopy {
    const copied = [...trainedParameters(model)].map(
      ([name, shape]) => [name, { shape, data: weights.get(name)!.data.slice() }] as const,
    )
    return new TrainedCopy(new Map(copied), weights)
  }

  /** As a checkpoint holds it, in `file` of `folder`. */
  static saved({ model, weights }: { model: Model; weights: Weights }, folder: string, file: string): TrainedCopy {
    const path = join(folder, file)
    return new TrainedCopy(checkWeights({ parameters: trainedParameters(model) }, readShards(path), path), weights)
  }

  /** Becomes what the run has now. */
  take(): void {
    for (const [name, { data }] of this.own) data.set(this.weights.get(name)!.data)
  }

  /** Makes the run what this is. */
  giveBack(): void {
    for (const [name, { data }] of this.own) this.weights.get(name)!.data.set(data)
  }
}
