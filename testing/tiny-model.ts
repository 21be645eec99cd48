/** The demo's model shape: 869,504 parameters, shared by teacher, student and judges. */
import { readFileSync } from 'node:fs'
import { SeededRng } from '../src/core/rl/seeded-rng.ts'
import { elementCount } from '../src/gpu-worker/graph/tensor.ts'
import { modelFromConfig } from '../src/gpu-worker/models/index.ts'
import type { Weights } from '../src/gpu-worker/models/weights.ts'
import { TextCodec } from '../src/gpu-worker/text/text-codec.ts'

export const TINY_CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 1024,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: null,
  eos_token_id: 1,
  pad_token_id: 0,
  torch_dtype: 'float16',
}

export const tinyModel = modelFromConfig(TINY_CONFIG)

/** Longest row of any of the demo's trainings, in tokens. */
export const MAX_TOKENS = 256

const json = (name: string) =>
  JSON.parse(readFileSync(new URL(`../demo/models/${name}`, import.meta.url), 'utf8')) as object

export const codec = new TextCodec({
  tokenizer: json('tokenizer.json'),
  config: json('tokenizer_config.json') as Record<string, unknown>,
})

/** Normal(0, 0.02), smaller where a layer's output joins the residual stream (GPT-2); norms at 1. */
export function initialWeights(seed: number): Weights {
  const joining = 0.02 / Math.sqrt(2 * TINY_CONFIG.num_hidden_layers)
  return new Map(
    [...tinyModel.parameters].map(([name, shape]) => {
      const rng = new SeededRng(seed, 'initial', name)
      const deviation = /(o_proj|down_proj)\.weight$/.test(name) ? joining : 0.02
      const data = new Float32Array(elementCount(shape)).fill(1)
      if (shape.length > 1) for (let i = 0; i < data.length; i++) data[i] = deviation * normal(rng)
      return [name, { shape, data }]
    }),
  )
}

/** Box and Muller's transform. */
function normal(rng: SeededRng): number {
  return Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform())
}
