import { splitByTokens, makeBatch } from '../engines/batch.ts'
import { TrainingLayers } from '../engines/training-layers.ts'
import { weightTensors, type Weights } from '../engines/weights.ts'
import { Graph } from '../graph/graph.ts'
import type { Model } from '../models/model.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, int64, type RuntimeTensor } from '../runtime/tensors.ts'

/** Padded tokens of one run; bounds its memory. */
const RUN_TOKENS = 8192

/** Log-probabilities of a few given tokens right after a text: what a judge's answer is read from. */
export class LabelScorer {
  private readonly session: Session
  private readonly weights: Record<string, RuntimeTensor>

  private constructor(session: Session, weights: Weights) {
    this.session = session
    this.weights = weightTensors(weights)
  }

  /** @param maxTokens longest text that will be scored */
  static async create(
    model: Model,
    weights: Weights,
    options: SessionOptions & { maxTokens: number },
  ): Promise<LabelScorer> {
    return new LabelScorer(await Session.create(labelGraph(model, options.maxTokens), options), weights)
  }

  /** For each text (token ids, at least one), the natural-log probability of each label id coming next. */
  async score(texts: readonly (readonly number[])[], labelIds: readonly number[]): Promise<number[][]> {
    const scores: number[][] = texts.map(() => [])
    const lengths = texts.map((ids) => ids.length)
    for (const part of splitByTokens(lengths, RUN_TOKENS)) {
      const rows = part.map((i) => ({ ids: texts[i]!, start: texts[i]!.length }))
      const { ids, positions, mask } = makeBatch(rows).inputs
      const width = ids.dims[1]!
      const read = part.map((i, b) => b * width + lengths[i]! - 1)
      const out = new Float32Array(part.length * labelIds.length)
      await this.session.run(
        {
          ...this.weights,
          ids,
          positions,
          mask,
          read: int64(read, [read.length]),
          labels: int64(labelIds, [labelIds.length]),
        },
        { logprobs: float32(out, [part.length, labelIds.length]) },
      )
      part.forEach((i, b) => (scores[i] = [...out.subarray(b * labelIds.length, (b + 1) * labelIds.length)]))
    }
    return scores
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

function labelGraph(model: Model, maxTokens: number): Graph {
  const g = new Graph()
  const layers = new TrainingLayers(g, model, { maxTokens })
  const read = g.input('read', 'int64', ['R'])
  const labels = g.input('labels', 'int64', ['L'])
  g.untaped(() => {
    const hidden = g.gather(model.hidden(layers), read) // [R,H]
    const logits = g.matmul(hidden, layers.parameter(model.head), { transB: true }) // [R,V]
    const logprobs = g.op('LogSoftmax', [logits], { attributes: { axis: -1 } })
    const byLabel = g.gather(g.transpose(logprobs, [1, 0]), labels) // [L,R]
    g.output('logprobs', g.transpose(byLabel, [1, 0]))
  })
  return g
}
