import * as v from 'valibot'
import { llama, LlamaFields } from './llama.ts'
import type { Model } from './model.ts'

const WholeAttention = { use_sliding_window: v.optional(v.literal(false), false) }

/** Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values. */
export const Qwen2Config = v.object({ ...LlamaFields, ...WholeAttention })
export const qwen2 = (config: v.InferOutput<typeof Qwen2Config>): Model => llama(config, { queryKeyValueBias: true })

/** Qwen3 (arXiv 2505.09388): Llama with a norm on every query and key head. */
export const Qwen3Config = v.object({
  ...LlamaFields,
  ...WholeAttention,
  attention_bias: v.optional(v.literal(false), false),
})
export const qwen3 = (config: v.InferOutput<typeof Qwen3Config>): Model => llama(config, { queryKeyNorm: true })
