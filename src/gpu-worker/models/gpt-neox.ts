import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { ActivationName, activationOf, DecoderFields, decoderSettings, flag } from './decoder-config.ts'
import type { Model } from './model.ts'

const GptNeoXConfig = v.object({
  ...DecoderFields,
  hidden_act: v.nullish(ActivationName, 'gelu'),
  layer_norm_eps: v.nullish(v.number(), 1e-5),
  use_parallel_residual: flag(true),
  attention_bias: flag(true),
  rotary_pct: v.nullish(v.number(), 0.25),
  rotary_emb_base: v.nullish(v.number(), 10_000),
})

/** GPT-NeoX (arXiv 2204.06745), of which Pythia is: both branches added together, one projection for all of a head. */
export function gptNeoX(config: unknown): Model {
  const parsed = v.parse(GptNeoXConfig, config)
  const { rotary_pct: partial, rotary_emb_base: theta } = parsed
  return decoder({
    ...decoderSettings(parsed, { contextLength: 2048, partial, theta }),
    activation: activationOf(parsed.hidden_act),
    norm: { kind: 'layer', epsilon: parsed.layer_norm_eps, bias: true },
    blockNorms: {
      attentionIn: 'input_layernorm',
      mlpIn: 'post_attention_layernorm',
      parallel: parsed.use_parallel_residual,
    },
    projections: { joined: 'query_key_value', byHead: true },
    out: 'dense',
    mlp: { up: 'dense_h_to_4h', down: 'dense_4h_to_h' },
    bias: { qkv: parsed.attention_bias, out: parsed.attention_bias, mlp: true },
    names: {
      embedding: 'gpt_neox.embed_in',
      layers: 'gpt_neox.layers',
      attention: 'attention',
      norm: 'gpt_neox.final_layer_norm',
      head: 'embed_out',
    },
  })
}
