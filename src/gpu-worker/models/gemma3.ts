import * as v from 'valibot'
import { ACTIVATIONS, rmsNorm } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import { Size } from './llama.ts'
import type { Layers, Model } from './model.ts'
import { RopeScaling, rotarySpec } from './rope-config.ts'

const LayerType = v.picklist(['sliding_attention', 'full_attention'])

/** The fields of a Gemma 3 (text) `config.json` that the engine reads. */
export const Gemma3Config = v.object({
  vocab_size: Size,
  hidden_size: Size,
  intermediate_size: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  num_key_value_heads: Size,
  head_dim: Size,
  max_position_embeddings: Size,
  rms_norm_eps: v.number(),
  query_pre_attn_scalar: v.number(),
  sliding_window: Size,
  layer_types: v.optional(v.array(LayerType)),
  sliding_window_pattern: v.optional(Size, 6),
  hidden_activation: v.optional(v.literal('gelu_pytorch_tanh'), 'gelu_pytorch_tanh'),
  tie_word_embeddings: v.optional(v.literal(true), true),
  attention_bias: v.optional(v.literal(false), false),
  attn_logit_softcapping: v.optional(v.null()),
  final_logit_softcapping: v.optional(v.null()),
  /** transformers 5: settings by kind of layer. */
  rope_parameters: v.optional(v.nullable(v.object({ sliding_attention: RopeScaling, full_attention: RopeScaling }))),
  /** The Hub's files: of full and of sliding layers. */
  rope_theta: v.optional(v.number(), 1_000_000),
  rope_local_base_freq: v.optional(v.number(), 10_000),
  rope_scaling: v.optional(v.nullable(RopeScaling)),
})

/** Gemma 3 (arXiv 2503.19786): most layers look back over a window only; norms before and after each branch. */
export function gemma3(config: v.InferOutput<typeof Gemma3Config>): Model {
  const { hidden_size: H, num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headSize } = config
  const scale = config.query_pre_attn_scalar ** -0.5
  const embedding = 'model.embed_tokens.weight'
  const layerTypes =
    config.layer_types ??
    Array.from({ length: config.num_hidden_layers }, (_, i) =>
      (i + 1) % config.sliding_window_pattern ? 'sliding_attention' : 'full_attention',
    )
  const rope = {
    sliding_attention: rotarySpec({
      rope_theta: config.rope_local_base_freq,
      rope_parameters: config.rope_parameters?.sliding_attention,
    }),
    full_attention: rotarySpec({ ...config, rope_parameters: config.rope_parameters?.full_attention }),
  }

  /** RMS norm whose stored weight is what is added to 1. */
  function norm(nn: Layers, x: Tensor, name: string): Tensor {
    const weight = nn.g.add(nn.parameter(`${name}.weight`), nn.g.scalar(1))
    return rmsNorm(nn.g, x, weight, config.rms_norm_eps)
  }

  function attention(nn: Layers, x: Tensor, p: string, type: keyof typeof rope): Tensor {
    const normed = (name: 'q' | 'k') => {
      const y = nn.linear(x, `${p}.${name}_proj`)
      const perHead = norm(nn, nn.g.reshape(y, [`${p}.${name}N`, headSize]), `${p}.${name}_norm`) // [N·heads, D]
      return nn.g.reshape(perHead, y.shape)
    }
    const window = type === 'sliding_attention' ? { window: config.sliding_window } : {}
    const shape = { heads, kvHeads, headSize, scale, rotary: rope[type], ...window }
    return nn.linear(nn.attention(normed('q'), normed('k'), nn.linear(x, `${p}.v_proj`), shape), `${p}.o_proj`)
  }

  function mlp(nn: Layers, x: Tensor, p: string): Tensor {
    const gate = ACTIVATIONS.gelu_new(nn.g, nn.linear(x, `${p}.gate_proj`)) // [N,F]
    return nn.linear(nn.g.mul(gate, nn.linear(x, `${p}.up_proj`)), `${p}.down_proj`)
  }

  function block(nn: Layers, input: Tensor, p: string, type: keyof typeof rope): Tensor {
    const attended = attention(nn, norm(nn, input, `${p}.input_layernorm`), `${p}.self_attn`, type)
    const x = nn.g.add(input, norm(nn, attended, `${p}.post_attention_layernorm`))
    const fed = mlp(nn, norm(nn, x, `${p}.pre_feedforward_layernorm`), `${p}.mlp`)
    return nn.g.add(x, norm(nn, fed, `${p}.post_feedforward_layernorm`))
  }

  return {
    parameters: parameterShapes(),
    vocabularySize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    kvHeads,
    headSize,
    head: embedding,
    hidden(nn) {
      let x = nn.g.mul(nn.embed(embedding), nn.g.scalar(Math.sqrt(H))) // [N,H]
      layerTypes.forEach((type, i) => {
        const p = `model.layers.${i}`
        x = nn.block(x, `${p}.`, (y) => block(nn, y, p, type))
      })
      return norm(nn, x, 'model.norm')
    },
  }

  function parameterShapes(): Map<string, number[]> {
    const { intermediate_size: F, vocab_size: V } = config
    const shapes = new Map<string, number[]>([[embedding, [V, H]]])
    for (let i = 0; i < config.num_hidden_layers; i++) {
      const p = `model.layers.${i}`
      shapes.set(`${p}.self_attn.q_proj.weight`, [heads * headSize, H])
      shapes.set(`${p}.self_attn.k_proj.weight`, [kvHeads * headSize, H])
      shapes.set(`${p}.self_attn.v_proj.weight`, [kvHeads * headSize, H])
      shapes.set(`${p}.self_attn.o_proj.weight`, [H, heads * headSize])
      for (const name of ['q_norm', 'k_norm']) shapes.set(`${p}.self_attn.${name}.weight`, [headSize])
      shapes.set(`${p}.mlp.gate_proj.weight`, [F, H])
      shapes.set(`${p}.mlp.up_proj.weight`, [F, H])
      shapes.set(`${p}.mlp.down_proj.weight`, [H, F])
      for (const name of ['input', 'post_attention', 'pre_feedforward', 'post_feedforward']) {
        shapes.set(`${p}.${name}_layernorm.weight`, [H])
      }
    }
    shapes.set('model.norm.weight', [H])
    return shapes
  }
}
