import type { Recompute } from '../../core/schemas/training.ts'
import type { LossName } from '../losses/index.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import { untrained, zerosLike, type Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar, type RuntimeTensor } from '../runtime/tensors.ts'
import { AdamW, type OptimizerSettings, type OptimizerState } from './adamw.ts'
import type { Batch } from './batch.ts'
import { GRADIENT, gradientGraph } from './training-graph.ts'
import { weightTensors } from './weight-tensors.ts'

export interface TrainerOptions extends SessionOptions {
  loss: LossName
  optimizer: OptimizerSettings
  maxTokens: number
  recompute?: Recompute
}

/** What a training step needs of a batch beside its tokens; arrays have one number a trained token. */
export interface LossInputs {
  weights: Float32Array
  perToken?: Record<string, Float32Array>
  settings?: Record<string, number>
  temperature?: number
}

/**
 * Trains a model's weights in place, or its adapter's alone where it has one: `accumulate` adds up the gradient of micro-batches, `step` clips it,
 * updates the weights and starts over.
 */
export class Trainer {
  readonly weights: Weights
  readonly state: OptimizerState
  /** Those of the weights that are trained. */
  private readonly trained: Weights
  private readonly gradient: Weights
  private readonly gradientSession: Session
  private readonly optimizer: AdamW
  private readonly gradientTensors: Record<string, RuntimeTensor>
  readonly model: Model
  private readonly hasValues: boolean

  private constructor(
    model: Model,
    weights: Weights,
    trained: Weights,
    state: OptimizerState,
    gradientSession: Session,
    optimizer: AdamW,
  ) {
    this.model = model
    this.hasValues = model.valueHead !== undefined
    this.weights = weights
    this.trained = trained
    this.state = state
    this.gradientSession = gradientSession
    this.optimizer = optimizer
    this.gradient = zerosLike(trained)
    this.gradientTensors = weightTensors(this.gradient, GRADIENT)
  }

  static async create(
    model: Model,
    weights: Weights,
    options: TrainerOptions,
    state?: OptimizerState,
  ): Promise<Trainer> {
    const fixed = weightTensors(untrained(model, weights))
    const gradientSession = await Session.create(gradientGraph(model, options.loss, options), { ...options, fixed })
    const trained = new Map([...trainedParameters(model).keys()].map((name) => [name, weights.get(name)!]))
    // On the CPU, where weights and moments are.
    const optimizer = await AdamW.create(options.optimizer, { threads: options.threads })
    return new Trainer(model, weights, trained, state ?? freshState(trained), gradientSession, optimizer)
  }

  /** Adds the gradient of Σ weight·loss; answers that sum and each trained token's log-probability and, with a value head, value. */
  async accumulate(batch: Batch, { weights, perToken = {}, settings = {}, temperature = 1 }: LossInputs) {
    const loss = new Float32Array(1)
    const logprobs = new Float32Array(batch.tokens)
    const values = new Float32Array(this.hasValues ? batch.tokens : 0)
    const M = [batch.tokens]
    const inputs = {
      ...this.gradientInputs,
      ...batch.inputs,
      ...mapValues({ ...perToken, weights }, (data) => float32(data, M)),
      ...mapValues({ ...settings, inverse_temperature: 1 / temperature }, float32Scalar),
    }
    await this.gradientSession.run(inputs, {
      loss: float32(loss, []),
      logprobs: float32(logprobs, M),
      ...(this.hasValues && { values: float32(values, M) }),
      ...this.gradientTensors,
    })
    return { loss: loss[0]!, logprobs, values }
  }

  private get gradientInputs() {
    return { ...weightTensors(this.weights), ...this.gradientTensors }
  }

  /** The gradient summed up since the last step, by parameter. */
  get accumulated(): Weights {
    return this.gradient
  }

  /**
   * Clips, updates, and clears the gradient. Answers the gradient's norm before clipping.
   * @param learningRate of all parameters, or by name
   */
  async step(learningRate: number | ((name: string) => number)): Promise<{ gradientNorm: number }> {
    return { gradientNorm: await this.optimizer.step(this.trained, this.gradient, this.state, learningRate) }
  }

  /** Forgets the optimizer's memory, as if its next update were the first. */
  restartOptimizer(): void {
    Object.assign(this.state, freshState(this.trained))
  }

  async release(): Promise<void> {
    await this.gradientSession.release()
    await this.optimizer.release()
  }
}

const freshState = (trained: Weights): OptimizerState => ({
  steps: 0,
  firstMoment: zerosLike(trained),
  secondMoment: zerosLike(trained),
})

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
