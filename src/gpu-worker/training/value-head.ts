import type { Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'

export const VALUE_HEAD = 'value_head'

/** The model with a linear value head on its last hidden states, trained along with it. */
export function withValueHead(model: Model): Model {
  return {
    ...model,
    parameters: new Map([...model.parameters, ...valueHeadParameters(model)]),
    valueHead: VALUE_HEAD,
  }
}

/** Name → shape of the head's parameters. */
export function valueHeadParameters(model: Model): Map<string, readonly number[]> {
  const width = model.parameters.get(model.head)![1]!
  return new Map([
    [`${VALUE_HEAD}.weight`, [1, width]],
    [`${VALUE_HEAD}.bias`, [1]],
  ])
}

/** A head that values everything at 0. */
export function initialValueHead(model: Model): Weights {
  return new Map(
    [...valueHeadParameters(model)].map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(shape.reduce((a, b) => a * b)) },
    ]),
  )
}
