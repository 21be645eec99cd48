import * as v from 'valibot'
import { decoder, type DecoderSettings } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, layerTypes, rotaryOfConfig, Size } from './decoder-config.ts'
import type { Model } from './model.ts'

const Multiplier = v.nullish(v.number(), 1)

const GraniteFields = {
  ...DecoderFields,
  attention_bias: flag(false),
  mlp_bias: flag(false),
  embedding_multiplier: Multiplier,
  residual_multiplier: Multiplier,
  /** In place of 1/√headSize. */
  attention_multiplier: Multiplier,
  logits_scaling: Multiplier,
}

const GraniteConfig = v.object(GraniteFields)
const DEFAULTS = { contextLength: 2048 }

/** Granite 3 (arXiv 2408.13359 has its multipliers): Llama with factors on embeddings, branches, scores and logits. */
export function granite(config: unknown): Model {
  const parsed = v.parse(GraniteConfig, config)
  return decoder({ ...decoderSettings(parsed, DEFAULTS), ...multiplied(parsed) })
}

const GraniteHybridConfig = v.object({
  ...GraniteFields,
  intermediate_size: v.nullish(v.number(), 1),
  shared_intermediate_size: Size,
  num_local_experts: v.nullish(v.literal(0), 0),
  position_embedding_type: v.nullish(v.picklist(['rope', 'nope'])),
})

/** Granite 4, the dense ones of its hybrid family: gate and up in one projection, turned by position or not at all. */
export function graniteHybrid(config: unknown): Model {
  const parsed = v.parse(GraniteHybridConfig, config)
  const types = layerTypes(parsed, () => false, { attention: 'full_attention' })
  const rotary =
    parsed.position_embedding_type === 'rope'
      ? rotaryOfConfig({ ...parsed, intermediate_size: 1 }, DEFAULTS)
      : undefined
  const sizes = { ...parsed, intermediate_size: parsed.shared_intermediate_size }
  return decoder({
    ...decoderSettings(sizes, DEFAULTS, () => ({ rotary }), types),
    ...multiplied(sizes),
    mlp: { gateUp: 'input_linear', down: 'output_linear' },
    names: { mlp: 'shared_mlp' },
  })
}

function multiplied(config: v.InferOutput<typeof GraniteConfig>): Partial<DecoderSettings> {
  const { attention_bias: attention, mlp_bias: mlp } = config
  return {
    embeddingScale: config.embedding_multiplier,
    branchScale: config.residual_multiplier,
    attentionScale: config.attention_multiplier,
    logitScale: 1 / config.logits_scaling,
    bias: { qkv: attention, out: attention, mlp },
  }
}
