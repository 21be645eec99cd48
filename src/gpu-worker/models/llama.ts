import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { DecoderFields, decoderSettings, flag } from './decoder-config.ts'
import type { Model } from './model.ts'

const LlamaConfig = v.object({ ...DecoderFields, attention_bias: flag(false), mlp_bias: flag(false) })

/** Llama (arXiv 2302.13971) and what shares its shape: SmolLM2, TinyLlama, Granite Code, … */
export function llama(config: unknown): Model {
  const parsed = v.parse(LlamaConfig, config)
  const { attention_bias: attention, mlp_bias: mlp } = parsed
  return decoder({
    ...decoderSettings(parsed, { contextLength: 2048 }),
    bias: { qkv: attention, out: attention, mlp },
  })
}

const InternLm3Config = v.object({ ...DecoderFields, qkv_bias: flag(false), bias: flag(false) })

/** InternLM3 (arXiv 2403.17297): Llama under other names of its biases. */
export function internlm3(config: unknown): Model {
  const parsed = v.parse(InternLm3Config, config)
  const { attention_bias: qkv = parsed.qkv_bias, mlp_bias: mlp = parsed.bias } = v.parse(BothNames, config)
  return decoder({
    ...decoderSettings(parsed, { contextLength: 32_768, epsilon: 1e-5, kvHeads: 2, headSize: 128 }),
    bias: { qkv, out: qkv, mlp },
  })
}

/** Written by transformers, InternLM3 has Llama's names, too. */
const BothNames = v.object({ attention_bias: v.optional(v.boolean()), mlp_bias: v.optional(v.boolean()) })

const SeedOssConfig = v.object({
  ...DecoderFields,
  attention_bias: flag(true),
  attention_out_bias: flag(false),
  mlp_bias: flag(false),
})

/** Seed-OSS: Llama with biases on queries, keys and values. */
export function seedOss(config: unknown): Model {
  const parsed = v.parse(SeedOssConfig, config)
  return decoder({
    ...decoderSettings(parsed, { contextLength: 524_288, kvHeads: 8, headSize: 128 }),
    bias: { qkv: parsed.attention_bias, out: parsed.attention_out_bias, mlp: parsed.mlp_bias },
  })
}

const Ernie45Config = v.object({ ...DecoderFields, use_bias: flag(false) })

/** ERNIE 4.5, the dense ones: Llama that turns neighbours. */
export function ernie45(config: unknown): Model {
  const parsed = v.parse(Ernie45Config, config)
  const { use_bias: all } = parsed
  const defaults = { contextLength: 131_072, epsilon: 1e-5, kvHeads: 2, headSize: 128, theta: 500_000, tied: true }
  return decoder({
    ...decoderSettings(parsed, { ...defaults, interleaved: true }),
    bias: { qkv: all, out: all, mlp: all },
  })
}

const HeliumConfig = v.object({ ...DecoderFields, attention_bias: flag(false), mlp_bias: flag(false) })

/** Helium: Llama that turns neighbours. */
export function helium(config: unknown): Model {
  const parsed = v.parse(HeliumConfig, config)
  const defaults = { contextLength: 4096, epsilon: 1e-8, kvHeads: 20, headSize: 128, theta: 100_000 }
  return decoder({
    ...decoderSettings(parsed, { ...defaults, interleaved: true }),
    bias: { qkv: parsed.attention_bias, mlp: parsed.mlp_bias },
  })
}

const HunyuanConfig = v.object({ ...DecoderFields, attention_bias: flag(false) })

/** Hunyuan, the dense ones: queries and keys are normed after they are turned. */
export function hunyuan(config: unknown): Model {
  const parsed = v.parse(HunyuanConfig, config)
  const { attention_bias: all } = parsed
  return decoder({
    ...decoderSettings(parsed, { contextLength: 2048, epsilon: 1e-5 }),
    queryKeyNorm: { q: 'query_layernorm', k: 'key_layernorm', over: 'head', afterRotation: true },
    bias: { qkv: all, out: all },
  })
}
