import type { LossName } from '../losses/index.ts'
import type { Model } from '../models/model.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar, type RuntimeTensor } from '../runtime/tensors.ts'
import { adamwGraph, FIRST_MOMENT, SECOND_MOMENT } from './adamw-graph.ts'
import type { Batch } from './batch.ts'
import { GRADIENT, gradientGraph } from './training-graph.ts'
import { weightTensors, zerosLike, type Weights } from './weights.ts'

export interface OptimizerSettings {
  beta1: number
  beta2: number
  epsilon: number
  weightDecay: number
  /** Gradients are scaled down to this norm, all parameters together. */
  clipNorm: number
}

export interface TrainerOptions extends SessionOptions {
  loss: LossName
  optimizer: OptimizerSettings
  maxTokens: number
  recompute?: boolean
}

/** What a training step needs of a batch beside its tokens; arrays have one number a trained token. */
export interface LossInputs {
  weights: Float32Array
  perToken?: Record<string, Float32Array>
  settings?: Record<string, number>
  temperature?: number
}

/** AdamW's memory: with the weights, all there is to a run's numbers. */
export interface OptimizerState {
  steps: number
  firstMoment: Weights
  secondMoment: Weights
}

/**
 * Trains a model's weights in place: `accumulate` adds up the gradient of micro-batches, `step` clips it,
 * updates the weights and starts over.
 */
export class Trainer {
  readonly weights: Weights
  readonly state: OptimizerState
  private readonly gradient: Weights
  private readonly gradientSession: Session
  private readonly optimizerSession: Session
  private readonly options: TrainerOptions
  private readonly gradientTensors: Record<string, RuntimeTensor>
  private readonly updated: Record<string, RuntimeTensor>

  private constructor(weights: Weights, state: OptimizerState, sessions: [Session, Session], options: TrainerOptions) {
    this.weights = weights
    this.state = state
    this.options = options
    ;[this.gradientSession, this.optimizerSession] = sessions
    this.gradient = zerosLike(weights)
    this.gradientTensors = weightTensors(this.gradient, GRADIENT)
    this.updated = {
      ...weightTensors(weights),
      ...weightTensors(state.firstMoment, FIRST_MOMENT),
      ...weightTensors(state.secondMoment, SECOND_MOMENT),
    }
  }

  static async create(
    model: Model,
    weights: Weights,
    options: TrainerOptions,
    state?: OptimizerState,
  ): Promise<Trainer> {
    const gradientSession = await Session.create(gradientGraph(model, options.loss, options), options)
    const optimizerSession = await Session.create(adamwGraph(model.parameters), options)
    const fresh = { steps: 0, firstMoment: zerosLike(weights), secondMoment: zerosLike(weights) }
    return new Trainer(weights, state ?? fresh, [gradientSession, optimizerSession], options)
  }

  /** Adds the gradient of Σ weight·loss; answers that sum and each trained token's log-probability. */
  async accumulate(batch: Batch, { weights, perToken = {}, settings = {}, temperature = 1 }: LossInputs) {
    const loss = new Float32Array(1)
    const logprobs = new Float32Array(batch.tokens)
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
      ...this.gradientTensors,
    })
    return { loss: loss[0]!, logprobs }
  }

  private get gradientInputs() {
    return { ...weightTensors(this.weights), ...this.gradientTensors }
  }

  /** The gradient summed up since the last step, by parameter. */
  get accumulated(): Weights {
    return this.gradient
  }

  /** Clips, updates, and clears the gradient. Answers the gradient's norm before clipping. */
  async step(learningRate: number): Promise<{ gradientNorm: number }> {
    const { beta1, beta2, epsilon, weightDecay, clipNorm } = this.options.optimizer
    const t = ++this.state.steps
    const norm = new Float32Array(1)
    const scalars = {
      learning_rate: learningRate,
      beta1,
      beta2,
      epsilon,
      weight_decay: weightDecay,
      clip_norm: clipNorm,
      correction1: 1 - beta1 ** t,
      correction2: Math.sqrt(1 - beta2 ** t),
    }
    const inputs = { ...this.updated, ...this.gradientTensors, ...mapValues(scalars, float32Scalar) }
    await this.optimizerSession.run(inputs, { gradient_norm: float32(norm, []), ...this.updated })
    this.clearGradient()
    return { gradientNorm: norm[0]! }
  }

  clearGradient(): void {
    for (const { data } of this.gradient.values()) data.fill(0)
  }

  async release(): Promise<void> {
    await this.gradientSession.release()
    await this.optimizerSession.release()
  }
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
