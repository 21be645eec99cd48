import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { ActivationName, activationOf, DecoderFields, decoderSettings, flag, rotaryOfConfig } from './decoder-config.ts'
import type { Model } from './model.ts'

const StableLmConfig = v.object({
  ...DecoderFields,
  layer_norm_eps: v.nullish(v.number(), 1e-5),
  use_qkv_bias: flag(false),
  qk_layernorm: flag(false),
  use_parallel_residual: flag(false),
})

/** StableLM 2 (arXiv 2402.17834): Llama with layer norms that turns a quarter of each head. */
export function stableLm(config: unknown): Model {
  const parsed = v.parse(StableLmConfig, config)
  const one = 'input_layernorm'
  return decoder({
    ...decoderSettings(parsed, { contextLength: 4096, kvHeads: 32, partial: 0.25 }),
    norm: { kind: 'layer', epsilon: parsed.layer_norm_eps, bias: true },
    ...(parsed.use_parallel_residual ? { blockNorms: { attentionIn: one, mlpIn: one, parallel: true } } : {}),
    ...(parsed.qk_layernorm ? { queryKeyNorm: { q: 'q_layernorm', k: 'k_layernorm', over: 'listed' } } : {}),
    bias: { qkv: parsed.use_qkv_bias },
  })
}

const Starcoder2Config = v.object({
  ...DecoderFields,
  hidden_act: v.nullish(ActivationName, 'gelu_pytorch_tanh'),
  norm_epsilon: v.nullish(v.number(), 1e-5),
  use_bias: flag(true),
})
const STARCODER2 = { contextLength: 4096, kvHeads: 2, tied: true }

/** StarCoder2 (arXiv 2402.19173): layer norms, biases, no gate, a window in every layer. */
export function starcoder2(config: unknown): Model {
  const parsed = v.parse(Starcoder2Config, config)
  const { use_bias: all } = parsed
  const rotary = rotaryOfConfig(parsed, STARCODER2)
  return decoder({
    ...decoderSettings(parsed, STARCODER2, () => ({ rotary, window: parsed.sliding_window })),
    activation: activationOf(parsed.hidden_act),
    norm: { kind: 'layer', epsilon: parsed.norm_epsilon, bias: true },
    mlp: { up: 'c_fc', down: 'c_proj' },
    bias: { qkv: all, out: all, mlp: all },
  })
}

const NemotronConfig = v.object({
  ...DecoderFields,
  hidden_act: v.nullish(ActivationName, 'relu2'),
  norm_eps: v.nullish(v.number(), 1e-5),
  attention_bias: flag(false),
  mlp_bias: flag(false),
})

/** Nemotron 4 and Minitron (arXiv 2407.14679): layer norms whose weight is what is added to 1; relu², no gate. */
export function nemotron(config: unknown): Model {
  const parsed = v.parse(NemotronConfig, config)
  const { attention_bias: attention, mlp_bias: mlp } = parsed
  return decoder({
    ...decoderSettings(parsed, { contextLength: 4096, partial: 0.5 }),
    activation: activationOf(parsed.hidden_act),
    norm: { kind: 'layer', epsilon: parsed.norm_eps, bias: true, onePlus: true },
    mlp: { up: 'up_proj', down: 'down_proj' },
    bias: { qkv: attention, out: attention, mlp },
  })
}
