import * as v from 'valibot'
import { ACTIVATIONS, layerNorm } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import { Size } from './decoder-config.ts'
import type { Layers, Model } from './model.ts'

/** The fields of an OPT `config.json` that the engine reads. Galactica is OPT with GELU. */
const OptConfig = v.object({
  vocab_size: Size,
  hidden_size: Size,
  ffn_dim: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  max_position_embeddings: Size,
  word_embed_proj_dim: v.optional(Size),
  activation_function: v.optional(v.picklist(['relu', 'gelu']), 'relu'),
  do_layer_norm_before: v.optional(v.boolean(), true),
  enable_bias: v.optional(v.boolean(), true),
  layer_norm_elementwise_affine: v.optional(v.boolean(), true),
  tie_word_embeddings: v.optional(v.literal(true), true),
  _remove_final_layer_norm: v.optional(v.boolean(), false),
})

/** Learned positions start at this row; the two before it are padding's. */
const POSITION_OFFSET = 2
const EPSILON = 1e-5

/** OPT (arXiv 2205.01068), before and after the layer norm moved, with or without projections and biases. */
export function opt(json: unknown): Model {
  const config = v.parse(OptConfig, json)
  const { hidden_size: H, num_attention_heads: heads, do_layer_norm_before: normFirst } = config
  const headSize = H / heads
  const shape = { heads, kvHeads: heads, headSize, scale: 1 / Math.sqrt(headSize) }
  const embeddingSize = config.word_embed_proj_dim ?? H
  const projected = embeddingSize !== H
  const finalNorm = normFirst && !config._remove_final_layer_norm
  const embedding = 'model.decoder.embed_tokens.weight'

  function norm(nn: Layers, x: Tensor, p: string): Tensor {
    if (config.layer_norm_elementwise_affine) {
      return layerNorm(nn.g, x, nn.parameter(`${p}.weight`), nn.parameter(`${p}.bias`), EPSILON)
    }
    return layerNorm(nn.g, x, nn.g.expand(nn.g.scalar(1), [H]), null, EPSILON)
  }

  function attention(nn: Layers, x: Tensor, p: string): Tensor {
    const [q, k, value] = ['q_proj', 'k_proj', 'v_proj'].map((name) => nn.linear(x, `${p}.${name}`)) // [N,H] each
    return nn.linear(nn.attention(q!, k!, value!, shape), `${p}.out_proj`)
  }

  function block(nn: Layers, input: Tensor, p: string): Tensor {
    const branch = (x: Tensor, name: string, body: (x: Tensor) => Tensor) =>
      normFirst ? nn.g.add(x, body(norm(nn, x, `${p}.${name}`))) : norm(nn, nn.g.add(x, body(x)), `${p}.${name}`)
    const x = branch(input, 'self_attn_layer_norm', (y) => attention(nn, y, `${p}.self_attn`))
    return branch(x, 'final_layer_norm', (y) =>
      nn.linear(ACTIVATIONS[config.activation_function](nn.g, nn.linear(y, `${p}.fc1`)), `${p}.fc2`),
    )
  }

  return {
    parameters: parameterShapes(),
    vocabularySize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    kvHeads: heads,
    headSize,
    head: embedding,
    hidden(nn) {
      const tokens = nn.embed(embedding) // [N,E]
      const places = nn.g.add(nn.positions, nn.g.ints([POSITION_OFFSET]))
      let x = projected ? nn.linear(tokens, 'model.decoder.project_in') : tokens
      x = nn.g.add(x, nn.embed('model.decoder.embed_positions.weight', places)) // [N,H]
      for (let i = 0; i < config.num_hidden_layers; i++) {
        const p = `model.decoder.layers.${i}`
        x = nn.block(x, `${p}.`, (y) => block(nn, y, p))
      }
      if (finalNorm) x = norm(nn, x, 'model.decoder.final_layer_norm')
      return projected ? nn.linear(x, 'model.decoder.project_out') : x
    },
  }

  function parameterShapes(): Map<string, number[]> {
    const { ffn_dim: F, vocab_size: V, max_position_embeddings: P } = config
    const shapes = new Map<string, number[]>([
      [embedding, [V, embeddingSize]],
      ['model.decoder.embed_positions.weight', [P + POSITION_OFFSET, H]],
    ])
    const linear = (name: string, out: number, input: number) => {
      shapes.set(`${name}.weight`, [out, input])
      if (config.enable_bias) shapes.set(`${name}.bias`, [out])
    }
    const affine = (name: string) => {
      if (!config.layer_norm_elementwise_affine) return
      shapes.set(`${name}.weight`, [H])
      shapes.set(`${name}.bias`, [H])
    }
    for (let i = 0; i < config.num_hidden_layers; i++) {
      const p = `model.decoder.layers.${i}`
      for (const name of ['k_proj', 'v_proj', 'q_proj', 'out_proj']) linear(`${p}.self_attn.${name}`, H, H)
      affine(`${p}.self_attn_layer_norm`)
      linear(`${p}.fc1`, F, H)
      linear(`${p}.fc2`, H, F)
      affine(`${p}.final_layer_norm`)
    }
    if (finalNorm) affine('model.decoder.final_layer_norm')
    if (projected) {
      shapes.set('model.decoder.project_in.weight', [H, embeddingSize])
      shapes.set('model.decoder.project_out.weight', [embeddingSize, H])
    }
    return shapes
  }
}
