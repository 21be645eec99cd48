import type { LoadedModel } from '../models/load-folder.ts'
import type { Model } from '../models/model.ts'
import { untrained, type Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar } from '../runtime/tensors.ts'
import { microBatches, trainedTokens, type Row } from './batch.ts'
import { logprobGraph } from './training-graph.ts'
import { weightTensors } from './weight-tensors.ts'

/** What a policy makes of texts, without learning from them. Weights are read at each call, so they may be trained. */
export class PolicyScorer {
  private readonly session: Session
  private readonly weights: Weights
  private readonly model: Model

  private constructor(session: Session, weights: Weights, model: Model) {
    this.session = session
    this.weights = weights
    this.model = model
  }

  static async create(
    { model, weights }: Pick<LoadedModel, 'model' | 'weights'>,
    maxTokens: number,
    { threads, device }: SessionOptions,
  ): Promise<PolicyScorer> {
    const fixed = weightTensors(untrained(model, weights))
    const session = await Session.create(logprobGraph(model, { maxTokens }), { threads, device, fixed })
    return new PolicyScorer(session, weights, model)
  }

  /** Row by row: each trained token's log-probability and, of a model with a value head, the value before it. */
  async score(
    rows: readonly Row[],
    { temperature, microBatchTokens }: { temperature: number; microBatchTokens: number },
  ): Promise<{ logprobs: Float32Array[]; values: Float32Array[] }> {
    const logprobs = rows.map((row) => new Float32Array(trainedTokens(row)))
    const hasValues = this.model.valueHead !== undefined
    const values = hasValues ? logprobs.map(({ length }) => new Float32Array(length)) : []
    for (const { rows: part, batch } of microBatches(rows, microBatchTokens, this.model)) {
      const [all, allValues] = [new Float32Array(batch.tokens), new Float32Array(batch.tokens)]
      await this.session.run(
        { ...weightTensors(this.weights), ...batch.inputs, inverse_temperature: float32Scalar(1 / temperature) },
        {
          logprobs: float32(all, [batch.tokens]),
          ...(hasValues && { values: float32(allValues, [batch.tokens]) }),
        },
      )
      let from = 0
      for (const i of part) {
        const to = from + logprobs[i]!.length
        logprobs[i]!.set(all.subarray(from, to))
        values[i]?.set(allValues.subarray(from, to))
        from = to
      }
    }
    return { logprobs, values }
  }
}
