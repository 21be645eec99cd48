import * as v from 'valibot'
import { decoder, type DecoderSettings } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, layerTypes, rotaryOfConfig, byLayerType } from './decoder-config.ts'
import type { Model } from './model.ts'

const QwenFields = {
  ...DecoderFields,
  /** Files name a window in any case. */
  use_sliding_window: flag(false),
  max_window_layers: v.nullish(v.number(), 28),
}

const Qwen2Config = v.object(QwenFields)

/** Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values. */
export const qwen2 = (config: unknown): Model => {
  const parsed = v.parse(Qwen2Config, config)
  return decoder({ ...qwenSettings(parsed, { contextLength: 32_768, kvHeads: 32 }), bias: { qkv: true } })
}

const Qwen3Config = v.object({ ...QwenFields, attention_bias: flag(false) })

/** Qwen3 (arXiv 2505.09388): Llama with a norm on every query and key head. */
export const qwen3 = (config: unknown): Model => {
  const parsed = v.parse(Qwen3Config, config)
  const { attention_bias: attention } = parsed
  return decoder({
    ...qwenSettings(parsed, { contextLength: 32_768, kvHeads: 32, headSize: 128 }),
    queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'head' },
    bias: { qkv: attention, out: attention },
  })
}

function qwenSettings(
  config: v.InferOutput<typeof Qwen2Config>,
  defaults: Parameters<typeof decoderSettings>[1],
): DecoderSettings {
  const window = config.use_sliding_window ? (config.sliding_window ?? 4096) : undefined
  const types = layerTypes(config, (i) => window !== undefined && i >= config.max_window_layers)
  const rotary = rotaryOfConfig(config, defaults)
  const layer = byLayerType({ full_attention: rotary, sliding_attention: rotary }, window)
  return decoderSettings(config, defaults, layer, types)
}
