import * as v from 'valibot'
import { ACTIVATIONS, layerNorm } from '../graph/nn.ts'
import type { Tensor } from '../graph/tensor.ts'
import { Size } from './decoder-config.ts'
import type { Layers, Model } from './model.ts'

/** The fields of a GPT-2 `config.json` that the engine reads. */
const Gpt2Config = v.object({
  vocab_size: Size,
  n_embd: Size,
  n_layer: Size,
  n_head: Size,
  n_positions: Size,
  n_inner: v.optional(v.nullable(Size)),
  activation_function: v.optional(v.picklist(['gelu_new', 'gelu', 'relu']), 'gelu_new'),
  layer_norm_epsilon: v.optional(v.number(), 1e-5),
  scale_attn_weights: v.optional(v.literal(true), true),
  scale_attn_by_inverse_layer_idx: v.optional(v.literal(false), false),
  tie_word_embeddings: v.optional(v.literal(true), true),
})

/** GPT-2. Its weights are stored [in,out], the other way round from everyone else's. */
export function gpt2(json: unknown): Model {
  const config = v.parse(Gpt2Config, json)
  const { n_embd: H, n_head: heads, layer_norm_epsilon: epsilon } = config
  const headSize = H / heads
  const shape = { heads, kvHeads: heads, headSize, scale: 1 / Math.sqrt(headSize) }
  const prefix = 'transformer.'
  const embedding = `${prefix}wte.weight`

  const norm = (nn: Layers, x: Tensor, p: string) =>
    layerNorm(nn.g, x, nn.parameter(`${p}.weight`), nn.parameter(`${p}.bias`), epsilon)

  function attention(nn: Layers, x: Tensor, p: string): Tensor {
    const all = nn.linear(x, `${p}.c_attn`, 'in-out') // [N,3H]
    const [q, k, value] = nn.g.split(all, 3, H) // [N,H] each
    return nn.linear(nn.attention(q!, k!, value!, shape), `${p}.c_proj`, 'in-out')
  }

  function mlp(nn: Layers, x: Tensor, p: string): Tensor {
    const inner = ACTIVATIONS[config.activation_function](nn.g, nn.linear(x, `${p}.c_fc`, 'in-out'))
    return nn.linear(inner, `${p}.c_proj`, 'in-out')
  }

  function block(nn: Layers, input: Tensor, p: string): Tensor {
    const x = nn.g.add(input, attention(nn, norm(nn, input, `${p}.ln_1`), `${p}.attn`))
    return nn.g.add(x, mlp(nn, norm(nn, x, `${p}.ln_2`), `${p}.mlp`))
  }

  return {
    parameters: parameterShapes(),
    optionalPrefix: prefix,
    vocabularySize: config.vocab_size,
    contextLength: config.n_positions,
    layers: config.n_layer,
    kvHeads: heads,
    headSize,
    head: embedding,
    hidden(nn) {
      let x = nn.g.add(nn.embed(embedding), nn.embed(`${prefix}wpe.weight`, nn.positions)) // [N,H]
      for (let i = 0; i < config.n_layer; i++) {
        const p = `${prefix}h.${i}`
        x = nn.block(x, `${p}.`, (y) => block(nn, y, p))
      }
      return norm(nn, x, `${prefix}ln_f`)
    },
  }

  function parameterShapes(): Map<string, number[]> {
    const { vocab_size: V, n_positions: P } = config
    const F = config.n_inner ?? 4 * H
    const shapes = new Map<string, number[]>([
      [embedding, [V, H]],
      [`${prefix}wpe.weight`, [P, H]],
    ])
    const affine = (name: string) => {
      shapes.set(`${name}.weight`, [H])
      shapes.set(`${name}.bias`, [H])
    }
    const linear = (name: string, input: number, out: number) => {
      shapes.set(`${name}.weight`, [input, out])
      shapes.set(`${name}.bias`, [out])
    }
    for (let i = 0; i < config.n_layer; i++) {
      const p = `${prefix}h.${i}`
      affine(`${p}.ln_1`)
      linear(`${p}.attn.c_attn`, H, 3 * H)
      linear(`${p}.attn.c_proj`, H, H)
      affine(`${p}.ln_2`)
      linear(`${p}.mlp.c_fc`, H, F)
      linear(`${p}.mlp.c_proj`, F, H)
    }
    affine(`${prefix}ln_f`)
    return shapes
  }
}
