import { gradients } from '../graph/autodiff.ts'
import { Graph } from '../graph/graph.ts'
import { finishLogits } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import { LOSSES, type LossName } from '../losses/index.ts'
import { rowMean } from '../losses/row-mean.ts'
import { tokenLogprobs } from '../losses/token-logprobs.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import { TrainingLayers, type TrainingLayersOptions } from './training-layers.ts'

/** Prefix of the inputs and outputs that hold the gradient summed so far. */
export const GRADIENT = 'gradient:'

/**
 * Log-probabilities of chosen tokens. Inputs: parameters, `ids`, `positions`, `segments`, `predict` ([M]: flat
 * indices into [B·T] of the positions that predict), `targets` ([M]), `inverse_temperature`. Output: `logprobs` [M];
 * of a model with a value head also `values` [M], of the text before each chosen token.
 */
export function logprobGraph(model: Model, options: TrainingLayersOptions): Graph {
  const g = new Graph()
  const { logprobs, values } = chosenTokens(g, model, new TrainingLayers(g, model, { ...options, unread: 1 }))
  g.output('logprobs', logprobs)
  if (values) g.output('values', values)
  return g
}

/** Logits of every position. Inputs: parameters, `ids`, `positions`, `segments`. Output: `logits` [N,V]. */
export function logitsGraph(model: Model, options: TrainingLayersOptions): Graph {
  const g = new Graph()
  const layers = new TrainingLayers(g, model, options)
  const product = g.matmul(model.hidden(layers), layers.parameter(model.head), { transB: true })
  g.output('logits', finishLogits(g, product, layers.afterHead(model)))
  return g
}

/**
 * Loss and gradients of one micro-batch. On top of `logprobGraph`: `weights` ([M]), what the loss asks for,
 * and `gradient:NAME` in and out, to which the gradient of each parameter that is trained is added. Outputs also
 * `loss` (Σ weight·loss), `logprobs` and, of a model with a value head, `values`.
 */
export function gradientGraph(model: Model, loss: LossName, options: TrainingLayersOptions): Graph {
  const g = new Graph()
  const layers = new TrainingLayers(g, model, { ...options, unread: 1 })
  const { logprobs, values } = chosenTokens(g, model, layers)
  const perToken = LOSSES[loss]({
    g,
    logprobs,
    values: () => values!,
    perToken: (name) => g.input(name, 'float32', ['M']),
    setting: (name) => g.input(name, 'float32', []),
    rowMean: (x) => rowMean(g, x, g.input('rows', 'int64', ['M'])),
  })
  const total = g.sumAll(g.mul(perToken, g.input('weights', 'float32', ['M'])))
  g.output('loss', total)
  g.output('logprobs', logprobs)
  if (values) g.output('values', values)
  const parameters = [...trainedParameters(model).keys()].map((name) => [name, layers.parameter(name)] as const)
  const initial = new Map(parameters.map(([name, p]) => [p, g.input(GRADIENT + name, 'float32', p.shape)]))
  const results = gradients(
    g,
    total,
    parameters.map(([, p]) => p),
    initial,
  )
  parameters.forEach(([name], i) => g.output(GRADIENT + name, results[i]!))
  return g
}

/** Log-probability of each chosen token, [M], and the value of what stands before it. */
function chosenTokens(g: Graph, model: Model, layers: TrainingLayers): { logprobs: Tensor; values: Tensor | null } {
  const predict = g.input('predict', 'int64', ['M'])
  g.nameDimension('M', () => g.sizeOf(predict, 0))
  const targets = g.input('targets', 'int64', ['M'])
  const hidden = model.hidden(layers) // [N,H]
  // Only positions that predict a trained token meet the vocabulary.
  const chosen = gatherDistinct(g, hidden, predict) // [M,H]
  const inverseTemperature = g.input('inverse_temperature', 'float32', [])
  return {
    logprobs: tokenLogprobs(
      g,
      chosen,
      layers.parameter(model.head),
      layers.afterHead(model),
      targets,
      inverseTemperature,
    ),
    values: model.valueHead ? g.reshape(layers.linear(chosen, model.valueHead), ['M']) : null,
  }
}

/** Rows of x by indices that do not repeat, so that the gradient is a plain scatter. */
function gatherDistinct(g: Graph, x: Tensor, indices: Tensor): Tensor {
  return g.composite(
    [x],
    () => g.gather(x, indices),
    (gradients, dy) => {
      gradients.add(x, () => {
        const size = g.op('Shape', [x], { shape: [2] })
        const base = g.op('ConstantOfShape', [size], { shape: x.shape })
        return g.op('ScatterND', [base, g.reshape(indices, [indices.shape[0]!, 1]), dy])
      })
    },
  )
}
