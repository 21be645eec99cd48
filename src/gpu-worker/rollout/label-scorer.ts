import { Graph } from '../graph/graph.ts'
import { finishLogits } from '../graph/nn.ts'
import type { Model } from '../models/model.ts'
import { type Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, int64, type RuntimeTensor } from '../runtime/tensors.ts'
import { groupByPrefix, longTextsApart, packGroups, prefixBatch } from '../training/prefix-groups.ts'
import { TrainingLayers } from '../training/training-layers.ts'
import { weightTensors } from '../training/weight-tensors.ts'

/** Padded tokens of one run, where nobody says otherwise; bounds its memory. */
const RUN_TOKENS = 8192

export interface LabelScorerOptions extends SessionOptions {
  /** Longest text that will be scored. */
  maxTokens: number
  /** Most padded tokens of one run. */
  runTokens?: number
}

/**
 * Log-probabilities of a few given tokens right after a text: what a judge's answer is read from. What texts begin with
 * alike, such as a question with several answers, is computed once.
 */
export class LabelScorer {
  private readonly session: Session
  private readonly weights: Record<string, RuntimeTensor>
  private readonly runTokens: number
  private readonly model: Model

  private constructor(model: Model, weights: Weights, session: Session, runTokens: number) {
    this.model = model
    this.session = session
    this.weights = weightTensors(weights)
    this.runTokens = runTokens
  }

  static async create(model: Model, weights: Weights, options: LabelScorerOptions): Promise<LabelScorer> {
    const session = await Session.create(labelGraph(model, options.maxTokens), {
      ...options,
      fixed: weightTensors(weights),
    })
    return new LabelScorer(model, weights, session, options.runTokens ?? RUN_TOKENS)
  }

  /** For each text (token ids, at least one), the natural-log probability of each label id coming next. */
  async score(texts: readonly (readonly number[])[], labelIds: readonly number[]): Promise<number[][]> {
    const scores: number[][] = texts.map(() => [])
    const labels = int64(labelIds, [labelIds.length])
    const groups = longTextsApart(groupByPrefix(texts), (row) => texts[row]!.length, this.model.longTexts)
    for (const run of packGroups(groups, texts, this.runTokens)) {
      const rows = run.flatMap((group) => group.rows)
      const { inputs, indexOf } = prefixBatch(run, texts)
      const read = rows.map((row) => indexOf(row, texts[row]!.length - 1))
      const out = new Float32Array(labelIds.length * rows.length)
      await this.session.run(
        { ...this.weights, ...inputs, labels, read: int64(read, [read.length]) },
        { logprobs: float32(out, [labelIds.length, rows.length]) },
      )
      rows.forEach((row, r) => (scores[row] = labelIds.map((_, l) => out[l * rows.length + r]!)))
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
    // As (W·xᵀ)ᵀ: ONNX Runtime packs the second operand at every run, so the small one goes there.
    const product = g.transpose(g.matmul(layers.parameter(model.head), hidden, { transB: true }), [1, 0]) // [R,V]
    const logits = finishLogits(g, product, layers.afterHead(model))
    const logprobs = g.op('LogSoftmax', [logits], { attributes: { axis: -1 } })
    g.output('logprobs', g.gather(g.transpose(logprobs, [1, 0]), labels)) // [L,R]
  })
  return g
}
