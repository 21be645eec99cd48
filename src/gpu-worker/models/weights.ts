import { trainedParameters, type Model } from './model.ts'

/** Parameters by name, in one array each; shared by every session of a model, so that an update reaches all. */
export type Weights = ReadonlyMap<string, { data: Float32Array; shape: readonly number[] }>

/** What training leaves as it is: under an adapter, the model. */
export function untrained(model: Model, weights: Weights): Weights {
  const trained = trainedParameters(model)
  return new Map([...weights].filter(([name]) => !trained.has(name)))
}

export function zerosLike(weights: Weights): Weights {
  return new Map([...weights].map(([name, { data, shape }]) => [name, { data: new Float32Array(data.length), shape }]))
}
