import { Graph } from '../graph/graph.ts'
import type { Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar } from '../runtime/tensors.ts'

export interface OptimizerSettings {
  beta1: number
  beta2: number
  epsilon: number
  weightDecay: number
  /** Gradients are scaled down to this norm, all parameters together. */
  clipNorm: number
}

/** AdamW's memory: with the weights, all there is to a run's numbers. */
export interface OptimizerState {
  steps: number
  firstMoment: Weights
  secondMoment: Weights
}

/**
 * Numbers updated in one run, so that the passes between hold no more than this in memory; whole parameters
 * take no less time, and much smaller pieces more, for their calls.
 */
const PIECE = 2 ** 19

/** AdamW (arXiv 1711.05101, decoupled decay) after clipping by the norm of all gradients together. */
export class AdamW {
  private readonly settings: OptimizerSettings
  private readonly squares: Session
  private readonly update: Session

  private constructor(settings: OptimizerSettings, squares: Session, update: Session) {
    this.settings = settings
    this.squares = squares
    this.update = update
  }

  static async create(settings: OptimizerSettings, options: SessionOptions): Promise<AdamW> {
    return new AdamW(
      settings,
      await Session.create(squaresGraph(), options),
      await Session.create(updateGraph(), options),
    )
  }

  /**
   * Updates `weights` and `state` in place and clears `gradient`. Answers the gradient's norm before clipping.
   * @param learningRate of all parameters, or by name
   */
  async step(
    weights: Weights,
    gradient: Weights,
    state: OptimizerState,
    learningRate: number | ((name: string) => number),
  ): Promise<number> {
    const norm = await this.norm(gradient)
    const { beta1, beta2, epsilon, weightDecay, clipNorm } = this.settings
    const t = ++state.steps
    const clip = Math.min(1, clipNorm / (norm + 1e-6))
    // m̂/(√v̂ + ε) with the corrections moved out of the vectors: m·(√c2/c1)/(√v + ε√c2).
    const correction1 = 1 - beta1 ** t
    const correction2 = Math.sqrt(1 - beta2 ** t)
    const scalarsAt = (rate: number) => ({
      beta1: float32Scalar(beta1),
      beta2: float32Scalar(beta2),
      share1: float32Scalar(clip * (1 - beta1)),
      share2: float32Scalar(clip * clip * (1 - beta2)),
      step_size: float32Scalar((rate * correction2) / correction1),
      epsilon: float32Scalar(epsilon * correction2),
      keep: float32Scalar(1 - rate * weightDecay),
    })
    for (const [name, { data }] of weights) {
      const scalars = scalarsAt(typeof learningRate === 'number' ? learningRate : learningRate(name))
      const vectors = {
        p: data,
        g: gradient.get(name)!.data,
        m: state.firstMoment.get(name)!.data,
        v: state.secondMoment.get(name)!.data,
      }
      for (const [from, to] of pieces(data.length)) {
        const piece = (vector: Float32Array) => float32(vector.subarray(from, to), [to - from])
        const updated = { p: piece(vectors.p), m: piece(vectors.m), v: piece(vectors.v) }
        await this.update.run({ ...scalars, ...updated, g: piece(vectors.g) }, updated)
        vectors.g.fill(0, from, to)
      }
    }
    return norm
  }

  private async norm(gradient: Weights): Promise<number> {
    let total = 0
    const sum = float32(new Float32Array(1), [])
    for (const { data } of gradient.values()) {
      for (const [from, to] of pieces(data.length)) {
        await this.squares.run({ g: float32(data.subarray(from, to), [to - from]) }, { sum })
        total += sum.data[0] as number
      }
    }
    return Math.sqrt(total)
  }

  async release(): Promise<void> {
    await this.squares.release()
    await this.update.release()
  }
}

function* pieces(length: number): Generator<[from: number, to: number]> {
  for (let from = 0; from < length; from += PIECE) yield [from, Math.min(from + PIECE, length)]
}

function squaresGraph(): Graph {
  const g = new Graph()
  const x = g.input('g', 'float32', ['n'])
  g.output('sum', g.op('ReduceSumSquare', [x], { attributes: { keepdims: 0 }, shape: [] }))
  return g
}

function updateGraph(): Graph {
  const g = new Graph()
  const scalar = (name: string) => g.input(name, 'float32', [])
  const [p, gradient, m, v] = ['p', 'g', 'm', 'v'].map((name) => g.input(name, 'float32', ['n']))
  const newM = g.add(g.mul(m!, scalar('beta1')), g.mul(gradient!, scalar('share1')))
  const newV = g.add(g.mul(v!, scalar('beta2')), g.mul(g.mul(gradient!, gradient!), scalar('share2')))
  const change = g.div(g.mul(newM, scalar('step_size')), g.add(g.sqrt(newV), scalar('epsilon')))
  g.output('p', g.sub(g.mul(p!, scalar('keep')), change))
  g.output('m', newM)
  g.output('v', newV)
  return g
}
