import type { LoadedModel } from '../models/load.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar } from '../runtime/tensors.ts'
import { makeBatch, splitByTokens, trainedTokens } from './batch.ts'
import type { TrainingRow } from './row-training.ts'
import { logprobGraph } from './training-graph.ts'
import { weightTensors, type Weights } from './weights.ts'

/** The first policy, which the trained one is held close to. */
export class ReferencePolicy {
  private readonly session: Session
  private readonly weights: Weights

  private constructor(session: Session, weights: Weights) {
    this.session = session
    this.weights = weights
  }

  static async create(
    { model, weights }: LoadedModel,
    maxTokens: number,
    options: SessionOptions,
  ): Promise<ReferencePolicy> {
    return new ReferencePolicy(await Session.create(logprobGraph(model, { maxTokens }), options), weights)
  }

  /** Sets each row's `reference` to its tokens' log-probabilities under this policy. */
  async fill(
    rows: readonly TrainingRow[],
    { temperature, micro_batch_tokens }: { temperature: number; micro_batch_tokens: number },
  ): Promise<void> {
    for (const part of splitByTokens(
      rows.map((row) => row.ids.length),
      micro_batch_tokens,
    )) {
      const batch = makeBatch(part.map((i) => rows[i]!))
      const logprobs = new Float32Array(batch.tokens)
      await this.session.run(
        { ...weightTensors(this.weights), ...batch.inputs, inverse_temperature: float32Scalar(1 / temperature) },
        { logprobs: float32(logprobs, [batch.tokens]) },
      )
      let from = 0
      for (const i of part) {
        const row = rows[i]!
        row.perToken = { ...row.perToken, reference: logprobs.slice(from, (from += trainedTokens(row))) }
      }
    }
  }
}
