import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, rotaryOfConfig } from './decoder-config.ts'
import type { Model } from './model.ts'

const Phi3Config = v.object(DecoderFields)
const PHI3 = { contextLength: 4096, epsilon: 1e-5 }

/** Phi-3, Phi-3.5 and Phi-4-mini (arXiv 2404.14219): Llama with joined projections, and longrope for long texts. */
export function phi3(config: unknown): Model {
  const parsed = renamedScaling(v.parse(Phi3Config, config))
  const rotary = rotaryOfConfig(parsed, PHI3)
  return decoder({
    ...decoderSettings(parsed, PHI3, () => ({ rotary, window: parsed.sliding_window })),
    projections: { joined: 'qkv_proj' },
    mlp: { gateUp: 'gate_up_proj', down: 'down_proj' },
  })
}

/** Early files call longrope "yarn". */
function renamedScaling<T extends v.InferOutput<typeof Phi3Config>>(config: T): T {
  const { rope_scaling: scaling } = config
  if (scaling?.type !== 'yarn' || !scaling.short_factor) return config
  return { ...config, rope_scaling: { ...scaling, type: 'longrope' } }
}

const PhiConfig = v.object({
  ...DecoderFields,
  layer_norm_eps: v.nullish(v.number(), 1e-5),
  qk_layernorm: flag(false),
})

/** Phi-1, Phi-1.5 and Phi-2 (arXiv 2306.11644): one norm before both branches, which are added together; biases on all. */
export function phi(config: unknown): Model {
  const parsed = v.parse(PhiConfig, config)
  return decoder({
    ...decoderSettings(parsed, { contextLength: 2048, partial: 0.5, activation: 'gelu_new' }),
    norm: { kind: 'layer', epsilon: parsed.layer_norm_eps, bias: true },
    blockNorms: { attentionIn: 'input_layernorm', mlpIn: 'input_layernorm', parallel: true },
    ...(parsed.qk_layernorm ? { queryKeyNorm: { q: 'q_layernorm', k: 'k_layernorm', over: 'head' } } : {}),
    out: 'dense',
    mlp: { up: 'fc1', down: 'fc2' },
    bias: { qkv: true, out: true, mlp: true, head: true },
    names: { norm: 'model.final_layernorm' },
  })
}
