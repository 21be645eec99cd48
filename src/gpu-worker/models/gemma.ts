import * as v from 'valibot'
import { decoder, type BlockNorms, type DecoderSettings } from './decoder.ts'
import {
  ActivationName,
  activationOf,
  DecoderFields,
  decoderSettings,
  flag,
  layerTypes,
  rotaryOfConfig,
  Size,
  type FamilyDefaults,
  byLayerType,
} from './decoder-config.ts'
import type { Model } from './model.ts'

const GemmaFields = {
  ...DecoderFields,
  attention_bias: flag(false),
  /** null: see `hidden_act`. */
  hidden_activation: v.nullish(ActivationName, 'gelu_pytorch_tanh'),
}

const GemmaConfig = v.object(GemmaFields)
const GEMMA: FamilyDefaults = { contextLength: 8192, kvHeads: 16, headSize: 256, tied: true }

/** Gemma (arXiv 2403.08295): norms whose weight is what is added to 1; embeddings times √hidden. */
export function gemma(config: unknown): Model {
  const parsed = v.parse(GemmaConfig, config)
  return decoder({ ...decoderSettings(parsed, GEMMA), ...gemmaSettings(parsed) })
}

/** Norms on both sides of each branch. */
const SANDWICH: BlockNorms = {
  attentionIn: 'input_layernorm',
  attentionOut: 'post_attention_layernorm',
  mlpIn: 'pre_feedforward_layernorm',
  mlpOut: 'post_feedforward_layernorm',
}

const Gemma2Config = v.object({
  ...GemmaFields,
  query_pre_attn_scalar: v.nullish(v.number(), 256),
  attn_logit_softcapping: v.optional(v.nullable(v.number()), 50),
  final_logit_softcapping: v.optional(v.nullable(v.number()), 30),
})
const GEMMA2: FamilyDefaults = { contextLength: 8192, kvHeads: 4, headSize: 256, tied: true }

/** Gemma 2 (arXiv 2408.00118): capped scores and logits, a window in every other layer. */
export function gemma2(config: unknown): Model {
  const parsed = v.parse(Gemma2Config, config)
  const { sliding_window: window = 4096 } = parsed
  const rotary = rotaryOfConfig(parsed, GEMMA2)
  const settings = decoderSettings(
    parsed,
    GEMMA2,
    byLayerType({ full_attention: rotary, sliding_attention: rotary }, window),
    layerTypes(parsed, (i) => i % 2 === 0),
  )
  return decoder({
    ...settings,
    ...gemmaSettings(parsed),
    blockNorms: SANDWICH,
    attentionScale: parsed.query_pre_attn_scalar ** -0.5,
    attentionCap: parsed.attn_logit_softcapping ?? undefined,
    logitCap: parsed.final_logit_softcapping ?? undefined,
  })
}

const Gemma3Config = v.object({
  ...GemmaFields,
  // What the text part of a larger model's config leaves out.
  vocab_size: v.nullish(Size, 262_208),
  hidden_size: v.nullish(Size, 2304),
  intermediate_size: v.nullish(Size, 9216),
  num_hidden_layers: v.nullish(Size, 26),
  num_attention_heads: v.nullish(Size, 8),
  query_pre_attn_scalar: v.nullish(v.number(), 256),
  attn_logit_softcapping: v.nullish(v.number()),
  final_logit_softcapping: v.nullish(v.number()),
  sliding_window_pattern: v.nullish(Size),
  /** transformers' own name for it, since it writes `layer_types`. */
  _sliding_window_pattern: v.nullish(Size),
  /** Of layers with a window, which no scaling concerns. */
  rope_local_base_freq: v.nullish(v.number(), 10_000),
})
const GEMMA3: FamilyDefaults = { contextLength: 131_072, kvHeads: 4, headSize: 256, theta: 1_000_000, tied: true }

/** Gemma 3 (arXiv 2503.19786): most layers look back over a window only, with a rotation of their own. */
export function gemma3(config: unknown): Model {
  const parsed = v.parse(Gemma3Config, config)
  const { sliding_window: window = 4096, rope_local_base_freq: theta } = parsed
  const every = parsed.sliding_window_pattern ?? parsed._sliding_window_pattern ?? 6
  const rotary = {
    full_attention: rotaryOfConfig(parsed, GEMMA3),
    sliding_attention: rotaryOfConfig({ ...parsed, rope_theta: theta, rope_scaling: null }, GEMMA3, {
      layerType: 'sliding_attention',
    }),
  }
  const settings = decoderSettings(
    parsed,
    GEMMA3,
    byLayerType(rotary, window),
    layerTypes(parsed, (i) => (i + 1) % every !== 0),
  )
  return decoder({
    ...settings,
    ...gemmaSettings(parsed),
    blockNorms: SANDWICH,
    queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'head' },
    attentionScale: parsed.query_pre_attn_scalar ** -0.5,
    attentionCap: parsed.attn_logit_softcapping ?? undefined,
    logitCap: parsed.final_logit_softcapping ?? undefined,
  })
}

function gemmaSettings(config: v.InferOutput<typeof GemmaConfig>): Partial<DecoderSettings> {
  const { attention_bias: attention } = config
  return {
    norm: { kind: 'rms', epsilon: config.rms_norm_eps ?? 1e-6, onePlus: true },
    embeddingScale: Math.sqrt(config.hidden_size),
    // `hidden_act` says "gelu" in early files, which were run with its approximation all the same.
    activation: activationOf(config.hidden_activation),
    bias: { qkv: attention, out: attention },
  }
}
