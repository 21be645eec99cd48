import * as v from 'valibot'
import type { Activation } from '../graph/nn.ts'
import type { RotarySpec } from '../graph/rotary.ts'
import { GATED, PRE_NORM, SEPARATE, type DecoderSettings, type LayerSettings } from './decoder.ts'
import { RopeFields, rotarySpec, type RopeDefaults } from './rope-config.ts'

/** A size of a config; what is beyond any tensor is damaged, or hostile. */
export const Size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31))

/** A yes or no that may be left out. */
export const flag = (byDefault: boolean) => v.nullish(v.boolean(), byDefault)

/** Activations by the names that `config.json` has for them. */
const ACTIVATION_NAMES = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  relu: 'relu',
  relu2: 'relu2',
} satisfies Record<string, Activation>

export const ActivationName = v.picklist(Object.keys(ACTIVATION_NAMES) as (keyof typeof ACTIVATION_NAMES)[])
export const activationOf = (name: v.InferOutput<typeof ActivationName>): Activation => ACTIVATION_NAMES[name]

const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const
export type LayerType = (typeof LAYER_TYPES)[number]

/** Fields of a `config.json` that most decoders share; null and absent mean the same unless it says otherwise. */
export const DecoderFields = {
  ...RopeFields,
  vocab_size: Size,
  hidden_size: Size,
  intermediate_size: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  /** null: as many as there are heads; absent: the family's number. */
  num_key_value_heads: v.optional(v.nullable(Size)),
  head_dim: v.nullish(Size),
  max_position_embeddings: v.nullish(Size),
  rms_norm_eps: v.nullish(v.number()),
  hidden_act: v.nullish(ActivationName),
  tie_word_embeddings: v.nullish(v.boolean()),
  layer_types: v.nullish(v.array(v.string())),
  /** null: none; absent: the family's number. */
  sliding_window: v.optional(v.nullable(Size)),
}

export type DecoderConfig = v.InferOutput<v.ObjectSchema<typeof DecoderFields, undefined>>

/** What a family's configs mean by what they leave out. */
export interface FamilyDefaults {
  contextLength: number
  epsilon?: number
  kvHeads?: number
  headSize?: number
  tied?: boolean
  theta?: number
  /** Share of each head that is turned. */
  partial?: number
  interleaved?: boolean
  activation?: Activation
}

/** What there is to a model of Llama's kind (arXiv 2302.13971), which families change as they need. */
export function decoderSettings(
  config: DecoderConfig,
  defaults: FamilyDefaults,
  layer?: (type: LayerType, index: number) => LayerSettings,
  types: LayerType[] = Array.from({ length: config.num_hidden_layers }, () => 'full_attention'),
): DecoderSettings {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config
  const rotary = rotaryOfConfig(config, defaults)
  return {
    vocabularySize: config.vocab_size,
    contextLength: contextLength(baseContext(config, defaults), rotary),
    hiddenSize: config.hidden_size,
    heads,
    kvHeads: kvHeads === undefined ? (defaults.kvHeads ?? heads) : (kvHeads ?? heads),
    headSize: headSize(config, defaults),
    mlpSize: config.intermediate_size,
    layers: types.map(layer ?? (() => ({ rotary }))),
    norm: { kind: 'rms', epsilon: config.rms_norm_eps ?? defaults.epsilon ?? 1e-6 },
    blockNorms: PRE_NORM,
    projections: SEPARATE,
    out: 'o_proj',
    mlp: GATED,
    activation: config.hidden_act ? activationOf(config.hidden_act) : (defaults.activation ?? 'silu'),
    tied: config.tie_word_embeddings ?? defaults.tied ?? false,
  }
}

export const headSize = (config: DecoderConfig, { headSize }: FamilyDefaults): number =>
  config.head_dim ?? headSize ?? config.hidden_size / config.num_attention_heads

const baseContext = (config: DecoderConfig, defaults: FamilyDefaults): number =>
  config.max_position_embeddings ?? defaults.contextLength

/** How long texts may be: with a base that grows with them, longer than what the model began with. */
function contextLength(base: number, { inLongTexts }: RotarySpec): number {
  return inLongTexts && 'factor' in inLongTexts ? Math.floor(base * Math.max(1, inLongTexts.factor)) : base
}

/** How layers of a kind turn by position. */
export function rotaryOfConfig(
  config: DecoderConfig,
  defaults: FamilyDefaults,
  more: Partial<RopeDefaults> = {},
): RotarySpec {
  const { theta, partial, interleaved } = defaults
  return rotarySpec(config, {
    headSize: headSize(config, defaults),
    contextLength: baseContext(config, defaults),
    ...(theta ? { theta } : {}),
    ...(partial ? { partial } : {}),
    ...(interleaved ? { interleaved } : {}),
    ...more,
  })
}

/** Layers by their kind: how each turns by position, and a window for those that slide. */
export const byLayerType =
  (rotary: Readonly<Partial<Record<LayerType, RotarySpec>>>, window: number | null | undefined) =>
  (type: LayerType): LayerSettings => ({ rotary: rotary[type], window: type === 'sliding_attention' ? window : null })

/**
 * The kind of every layer: as `layer_types` lists them, or by the family's rule.
 * Throws where the list is of another length than the layers, or names a kind that is not known.
 */
export function layerTypes(
  { layer_types: listed, num_hidden_layers: count }: Pick<DecoderConfig, 'layer_types' | 'num_hidden_layers'>,
  isSliding: (index: number) => boolean,
  aliases: Readonly<Record<string, LayerType>> = {},
): LayerType[] {
  if (!listed) {
    return Array.from({ length: count }, (_, i) => (isSliding(i) ? 'sliding_attention' : 'full_attention'))
  }
  if (listed.length !== count) throw new Error(`layer_types lists ${listed.length} layers of ${count}`)
  return listed.map((name) => {
    const type = aliases[name] ?? LAYER_TYPES.find((known) => known === name)
    if (!type) throw new Error(`layer_types: layers of kind "${name}" are not supported`)
    return type
  })
}
