import * as v from 'valibot'
import { rmsNorm, ACTIVATIONS } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import { rotarySpec, RopeFields } from './rope-config.ts'
import type { Layers, Model } from './model.ts'

export const Size = v.pipe(v.number(), v.integer(), v.minValue(1))

/** The fields of a `config.json` that Llama and its relatives share. */
export const LlamaFields = {
  ...RopeFields,
  vocab_size: Size,
  hidden_size: Size,
  intermediate_size: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  num_key_value_heads: v.optional(Size),
  head_dim: v.optional(v.nullable(Size)),
  max_position_embeddings: Size,
  rms_norm_eps: v.number(),
  hidden_act: v.optional(v.literal('silu'), 'silu'),
  tie_word_embeddings: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.literal(false), false),
}

/** The fields of a Llama `config.json` that the engine reads. */
export const LlamaConfig = v.object({ ...LlamaFields, attention_bias: v.optional(v.literal(false), false) })

/** What sets a relative of Llama apart from it. */
export interface LlamaVariant {
  /** Biases on the query, key and value projections (Qwen2). */
  queryKeyValueBias?: boolean
  /** RMS norm of every query and key head before it is rotated (Qwen3). */
  queryKeyNorm?: boolean
}

/** Llama (arXiv 2302.13971) and what shares its shape: SmolLM2, TinyLlama, … */
export function llama(
  config: v.InferOutput<v.ObjectSchema<typeof LlamaFields, undefined>>,
  { queryKeyValueBias, queryKeyNorm }: LlamaVariant = {},
): Model {
  const heads = config.num_attention_heads
  const kvHeads = config.num_key_value_heads ?? heads
  const headSize = config.head_dim ?? config.hidden_size / heads
  const shape = { heads, kvHeads, headSize, scale: 1 / Math.sqrt(headSize), rotary: rotarySpec(config) }
  const embedding = 'model.embed_tokens.weight'

  function attention(nn: Layers, x: Tensor, p: string): Tensor {
    const normed = (name: 'q' | 'k') => {
      const y = nn.linear(x, `${p}.${name}_proj`)
      return queryKeyNorm ? headNorm(nn, y, `${p}.${name}_norm.weight`) : y
    }
    const [q, k] = [normed('q'), normed('k')] // [N, heads·D], [N, kvHeads·D]
    return nn.linear(nn.attention(q, k, nn.linear(x, `${p}.v_proj`), shape), `${p}.o_proj`)
  }

  /** RMS norm of each head by itself. x [N, heads·D] */
  function headNorm(nn: Layers, x: Tensor, name: string): Tensor {
    const perHead = nn.g.reshape(x, [`${name}N`, headSize]) // [N·heads, D]
    return nn.g.reshape(rmsNorm(nn.g, perHead, nn.parameter(name), config.rms_norm_eps), x.shape)
  }

  function mlp(nn: Layers, x: Tensor, p: string): Tensor {
    const gate = ACTIVATIONS.silu(nn.g, nn.linear(x, `${p}.gate_proj`)) // [N,F]
    return nn.linear(nn.g.mul(gate, nn.linear(x, `${p}.up_proj`)), `${p}.down_proj`)
  }

  function block(nn: Layers, input: Tensor, p: string): Tensor {
    const norm = (x: Tensor, name: string) => rmsNorm(nn.g, x, nn.parameter(`${p}.${name}.weight`), config.rms_norm_eps)
    const x = nn.g.add(input, attention(nn, norm(input, 'input_layernorm'), `${p}.self_attn`))
    return nn.g.add(x, mlp(nn, norm(x, 'post_attention_layernorm'), `${p}.mlp`))
  }

  return {
    parameters: parameterShapes(),
    vocabularySize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    kvHeads,
    headSize,
    head: config.tie_word_embeddings ? embedding : 'lm_head.weight',
    hidden(nn) {
      let x = nn.embed(embedding) // [N,H]
      for (let i = 0; i < config.num_hidden_layers; i++) {
        const p = `model.layers.${i}`
        x = nn.block(x, `${p}.`, (y) => block(nn, y, p))
      }
      return rmsNorm(nn.g, x, nn.parameter('model.norm.weight'), config.rms_norm_eps)
    },
  }

  function parameterShapes(): Map<string, number[]> {
    const { hidden_size: H, intermediate_size: F, vocab_size: V } = config
    const shapes = new Map<string, number[]>([[embedding, [V, H]]])
    for (let i = 0; i < config.num_hidden_layers; i++) {
      const p = `model.layers.${i}`
      for (const [name, width] of [
        ['q', heads * headSize],
        ['k', kvHeads * headSize],
        ['v', kvHeads * headSize],
      ] as const) {
        shapes.set(`${p}.self_attn.${name}_proj.weight`, [width, H])
        if (queryKeyValueBias) shapes.set(`${p}.self_attn.${name}_proj.bias`, [width])
        if (queryKeyNorm && name !== 'v') shapes.set(`${p}.self_attn.${name}_norm.weight`, [headSize])
      }
      shapes.set(`${p}.self_attn.o_proj.weight`, [H, heads * headSize])
      shapes.set(`${p}.mlp.gate_proj.weight`, [F, H])
      shapes.set(`${p}.mlp.up_proj.weight`, [F, H])
      shapes.set(`${p}.mlp.down_proj.weight`, [H, F])
      shapes.set(`${p}.input_layernorm.weight`, [H])
      shapes.set(`${p}.post_attention_layernorm.weight`, [H])
    }
    shapes.set('model.norm.weight', [H])
    if (!config.tie_word_embeddings) shapes.set('lm_head.weight', [V, H])
    return shapes
  }
}
