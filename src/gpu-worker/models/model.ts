import type { Graph } from '../graph/graph.ts'
import type { WeightLayout } from '../graph/nn.ts'
import type { RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'

/**
 * What a model is written in terms of. Training and generation each bring their own: the one with gradients
 * over whole sequences, the other over a key/value cache. Activations are [N, width], N = rows × positions.
 */
export interface Layers {
  g: Graph
  parameter(name: string): Tensor
  /** The rows `ids` of an embedding table. → [N, width] */
  embed(name: string, ids?: Tensor): Tensor
  /** Position of every token within its own text, from 0; [B,T] int64. */
  positions: Tensor
  /**
   * x·Wᵀ (+ b) by the parameters `${name}.weight` and, where the model has one, `${name}.bias`; with what the
   * model's adapter adds.
   */
  linear(x: Tensor, name: string, layout?: WeightLayout): Tensor
  /** Turns the heads of x [N, heads·headSize] by position. */
  rotate(x: Tensor, headSize: number, rotary: RotarySpec): Tensor
  /** A number that depends on a token's position, [N,1]. */
  byPosition(name: string, numberOf: (position: number) => number): Tensor
  /** Causal attention. q [N, heads·headSize], k and v [N, kvHeads·headSize] → [N, heads·headSize] */
  attention(q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): Tensor
  /** One layer of the stack; training may choose to compute it again instead of keeping its insides. */
  block(x: Tensor, parameterPrefix: string, body: (x: Tensor) => Tensor): Tensor
}

export interface AttentionShape {
  heads: number
  kvHeads: number
  headSize: number
  /** Factor on q·k, usually 1/√headSize. */
  scale: number
  /** How queries and keys are rotated by position, where they are. */
  rotary?: RotarySpec
  /** How many positions back a token sees, itself included; unlimited when absent. */
  window?: number
  /** Scores go through cap·tanh(score/cap); not when absent. */
  cap?: number
}

/** Low-rank adapters (LoRA, arXiv 2106.09685): on each target, y = x·Wᵀ + alpha/rank·(x·Aᵀ)·Bᵀ. W is frozen. */
export interface Adapter {
  rank: number
  alpha: number
  /** The projections that have one, and how the weight of each is kept. */
  targets: ReadonlyMap<string, WeightLayout>
  /** Name → shape of `${target}.lora_A.weight` [rank,in] and `${target}.lora_B.weight` [out,rank]; all that is trained. */
  parameters: ReadonlyMap<string, readonly number[]>
}

/** An architecture with its sizes filled in: everything the engine needs to know of a model. */
export interface Model {
  /** Name → shape of every parameter, named as in the safetensors file; those of the adapter come after. */
  parameters: ReadonlyMap<string, readonly number[]>
  adapter?: Adapter
  /** Some files leave this out at the beginning of every name. */
  optionalPrefix?: string
  vocabularySize: number
  /** Longest text the model was made for, in tokens. */
  contextLength: number
  layers: number
  kvHeads: number
  headSize: number
  /** The parameter [V,H] whose product with the last hidden state gives the logits. */
  head: string
  /** A parameter [V] that is added to hidden·headᵀ, where there is one. */
  headBias?: string
  /** Logits go through cap·tanh(logit/cap); not when absent. */
  logitCap?: number
  /** Texts longer than this are rotated otherwise, at all their positions: they share nothing with shorter ones. */
  longTexts?: number
  /** Parameters that are as they are: no training changes them. */
  constants?: ReadonlySet<string>
  /** Name of the projection, `${name}.weight` [1,H] and `${name}.bias` [1], that gives the value of a hidden state. */
  valueHead?: string
  /** Token ids [B,T] (held by the layers) → final hidden states [N,H], as the head takes them. */
  hidden(nn: Layers): Tensor
}

/** Name → shape of what training changes: the adapter and the value head where there is an adapter, else everything. */
export function trainedParameters({ adapter, valueHead, parameters, constants }: Model): Model['parameters'] {
  if (!adapter) return constants ? new Map([...parameters].filter(([name]) => !constants.has(name))) : parameters
  return new Map([...parameters].filter(([name]) => adapter.parameters.has(name) || name.startsWith(`${valueHead}.`)))
}
