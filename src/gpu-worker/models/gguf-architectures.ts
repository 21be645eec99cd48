import type { StoredTensor } from '../weights/safetensors.ts'
import type { FloatFields } from './config-json.ts'
import type { GgufHeader } from './gguf-header.ts'
import { ggufRopeScaling } from './gguf-rope.ts'

/** How a file of llama.cpp's becomes a `config.json` and tensors as safetensors have them. */
export interface GgufArchitecture {
  /** The `config.json` that says what the header does. */
  config(header: GgufHeader): Record<string, unknown>
  names: Names
  /** A tensor in the layout that safetensors have, by its name in the file. */
  tensor?(name: string, tensor: StoredTensor, header: GgufHeader): StoredTensor
}

/** llama.cpp's names of tensors, a block's without `blk.N.` and the kind behind. */
interface Names {
  outer: Readonly<Record<string, string>>
  /** What the names of block 0, 1, … begin with. */
  blocks: string
  block: Readonly<Record<string, string>>
}

const LLAMA_NAMES: Names = {
  outer: {
    'token_embd.weight': 'model.embed_tokens.weight',
    'output_norm.weight': 'model.norm.weight',
    'output.weight': 'lm_head.weight',
  },
  blocks: 'model.layers.',
  block: {
    attn_norm: 'input_layernorm',
    attn_q: 'self_attn.q_proj',
    attn_k: 'self_attn.k_proj',
    attn_v: 'self_attn.v_proj',
    attn_q_norm: 'self_attn.q_norm',
    attn_k_norm: 'self_attn.k_norm',
    attn_output: 'self_attn.o_proj',
    ffn_norm: 'post_attention_layernorm',
    ffn_gate: 'mlp.gate_proj',
    ffn_up: 'mlp.up_proj',
    ffn_down: 'mlp.down_proj',
  },
}

const SANDWICH_NAMES: Names = {
  ...LLAMA_NAMES,
  block: {
    ...LLAMA_NAMES.block,
    post_attention_norm: 'post_attention_layernorm',
    ffn_norm: 'pre_feedforward_layernorm',
    post_ffw_norm: 'post_feedforward_layernorm',
  },
}

const PHI3_NAMES: Names = {
  ...LLAMA_NAMES,
  block: { ...LLAMA_NAMES.block, attn_qkv: 'self_attn.qkv_proj', ffn_up: 'mlp.gate_up_proj' },
}

const GPT2_NAMES: Names = {
  outer: {
    'token_embd.weight': 'transformer.wte.weight',
    'position_embd.weight': 'transformer.wpe.weight',
    'output_norm.weight': 'transformer.ln_f.weight',
    'output_norm.bias': 'transformer.ln_f.bias',
  },
  blocks: 'transformer.h.',
  block: {
    attn_norm: 'ln_1',
    attn_qkv: 'attn.c_attn',
    attn_output: 'attn.c_proj',
    ffn_norm: 'ln_2',
    ffn_up: 'mlp.c_fc',
    ffn_down: 'mlp.c_proj',
  },
}

/** Of Llama's kin, llama.cpp turns queries and keys of these in neighbouring pairs. */
const inPairs: GgufArchitecture['tensor'] = (name, tensor, header) => {
  const heads = header.number('attention.head_count')
  const rotated = /\.attn_q\./.test(name) ? heads : /\.attn_k\./.test(name) ? kvHeads(header) : null
  return rotated === null ? tensor : unpermuteRows(tensor, rotated)
}

/** Gemma's norms have w − 1 in safetensors, w in GGUF. */
const lessOne: GgufArchitecture['tensor'] = (name, tensor) =>
  name.endsWith('norm.weight') ? { ...tensor, data: tensor.data.map((w) => w - 1) } : tensor

/** Architectures by llama.cpp's name. */
export const GGUF_ARCHITECTURES = {
  llama: {
    config: (header) => ({
      ...llamaConfig(header),
      // Mistral's files are Llama's, and say so only where there is a window.
      ...(header.own('attention.sliding_window')
        ? { ...named('mistral', 'MistralForCausalLM'), sliding_window: header.number('attention.sliding_window') }
        : { ...named('llama', 'LlamaForCausalLM'), ...biases(header) }),
    }),
    names: LLAMA_NAMES,
    tensor: inPairs,
  },
  granite: {
    config: (header) => ({
      ...llamaConfig(header),
      ...named('granite', 'GraniteForCausalLM'),
      ...biases(header),
      embedding_multiplier: header.optional('embedding_scale') ?? 1,
      residual_multiplier: header.optional('residual_scale') ?? 1,
      attention_multiplier: header.optional('attention.scale') ?? 1,
      logits_scaling: header.optional('logit_scale') ?? 1,
    }),
    names: LLAMA_NAMES,
    tensor: inPairs,
  },
  qwen2: {
    config: (header) => ({ ...llamaConfig(header), ...named('qwen2', 'Qwen2ForCausalLM') }),
    names: LLAMA_NAMES,
  },
  qwen3: {
    config: (header) => ({
      ...llamaConfig(header),
      ...named('qwen3', 'Qwen3ForCausalLM'),
      attention_bias: header.has('blk.0.attn_q.bias'),
    }),
    names: LLAMA_NAMES,
  },
  phi3: {
    config: (header) => {
      const config = llamaConfig(header)
      const turned = header.number('rope.dimension_count', config.head_dim)
      return {
        ...config,
        ...named('phi3', 'Phi3ForCausalLM'),
        partial_rotary_factor: turned / config.head_dim,
        sliding_window: header.optional('attention.sliding_window'),
        original_max_position_embeddings:
          header.optional('rope.scaling.original_context_length') ?? config.max_position_embeddings,
      }
    },
    names: PHI3_NAMES,
  },
  gemma: {
    config: (header) => ({ ...gemmaConfig(header), ...named('gemma', 'GemmaForCausalLM') }),
    names: LLAMA_NAMES,
    tensor: lessOne,
  },
  gemma2: {
    config: (header) => ({
      ...gemmaConfig(header),
      ...named('gemma2', 'Gemma2ForCausalLM'),
      ...queryScale(header, 46),
      sliding_window: header.number('attention.sliding_window', 4096),
      attn_logit_softcapping: header.decimal('attn_logit_softcapping', 50),
      final_logit_softcapping: header.decimal('final_logit_softcapping', 30),
    }),
    names: SANDWICH_NAMES,
    tensor: lessOne,
  },
  gemma3: {
    config: (header) => ({
      ...gemmaConfig(header),
      ...named('gemma3_text', 'Gemma3ForCausalLM'),
      ...queryScale(header, 62),
      sliding_window: header.number('attention.sliding_window', 4096),
      sliding_window_pattern: header.number('attention.sliding_window_pattern', 6),
      rope_theta: header.decimal('rope.freq_base', 1_000_000),
      rope_local_base_freq: header.decimal('rope.freq_base_swa', 10_000),
      final_logit_softcapping: header.optional('final_logit_softcapping'),
    }),
    names: SANDWICH_NAMES,
    tensor: lessOne,
  },
  gpt2: {
    config: (header) => ({
      ...named('gpt2', 'GPT2LMHeadModel'),
      vocab_size: header.vocabularySize,
      n_embd: header.number('embedding_length'),
      n_layer: header.number('block_count'),
      n_head: header.number('attention.head_count'),
      n_positions: header.number('context_length'),
      n_inner: header.number('feed_forward_length'),
      activation_function: 'gelu_new',
      layer_norm_epsilon: header.decimal('attention.layer_norm_epsilon'),
    }),
    names: GPT2_NAMES,
    // GGUF has every linear [out,in]; GPT-2's own files have them the other way round.
    tensor: (name, tensor) =>
      /^blk\..*(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) ? transposed(tensor) : tensor,
  },
} satisfies Record<string, GgufArchitecture>

/** Fields of these configs that transformers wants as floats. */
export const GGUF_FLOATS: FloatFields = new Set([
  'attention_factor',
  'attention_multiplier',
  'attn_logit_softcapping',
  'embedding_multiplier',
  'factor',
  'final_logit_softcapping',
  'high_freq_factor',
  'logits_scaling',
  'long_factor',
  'low_freq_factor',
  'partial_rotary_factor',
  'residual_multiplier',
  'rope_local_base_freq',
  'rope_theta',
  'short_factor',
])

const named = (type: string, architecture: string) => ({ architectures: [architecture], model_type: type })

const kvHeads = (header: GgufHeader) => header.number('attention.head_count_kv', header.number('attention.head_count'))

const biases = (header: GgufHeader) => ({
  attention_bias: header.has('blk.0.attn_q.bias'),
  mlp_bias: header.has('blk.0.ffn_up.bias'),
})

/** What Llama and its relatives have in common. */
function llamaConfig(header: GgufHeader) {
  const heads = header.number('attention.head_count')
  const hiddenSize = header.number('embedding_length')
  const headSize = header.number('attention.key_length', hiddenSize / heads)
  if (header.number('attention.value_length', headSize) !== headSize)
    throw header.unsupported('its values are not as wide as its keys')
  if (header.architecture !== 'phi3' && header.number('rope.dimension_count', headSize) !== headSize)
    throw header.unsupported('it turns a part of each head only')
  return {
    vocab_size: header.vocabularySize,
    hidden_size: hiddenSize,
    intermediate_size: header.number('feed_forward_length'),
    num_hidden_layers: header.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: kvHeads(header),
    head_dim: headSize,
    max_position_embeddings: header.number('context_length'),
    rms_norm_eps: header.decimal('attention.layer_norm_rms_epsilon'),
    rope_theta: header.decimal('rope.freq_base', 10_000),
    rope_scaling: ggufRopeScaling(header, headSize),
    hidden_act: 'silu',
    tie_word_embeddings: !header.has('output.weight'),
  }
}

function gemmaConfig(header: GgufHeader) {
  const { hidden_act: _, ...config } = llamaConfig(header)
  return { ...config, hidden_activation: 'gelu_pytorch_tanh' }
}

/** By llama.cpp's rule: the largest model, known by its layers, divides by another width than the head's. */
function queryScale(header: GgufHeader, layersOfLargest: number) {
  const isLargest = header.number('block_count') === layersOfLargest
  const ofHeads = header.number('embedding_length') / header.number('attention.head_count')
  return { query_pre_attn_scalar: isLargest ? ofHeads : header.number('attention.key_length', ofHeads) }
}

function transposed({ shape, data }: StoredTensor): StoredTensor {
  const [rows, columns] = shape as [number, number]
  const out = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!
  return { shape: [columns, rows], data: out }
}

/**
 * llama.cpp rotates neighbouring pairs where transformers rotates the first half of a head with the second, and
 * reorders the rows of q and k to suit: row 2i + j of a head there is row j·D/2 + i here.
 */
export function unpermuteRows({ shape, data }: StoredTensor, heads: number): StoredTensor {
  const rows = shape[0]!
  const width = data.length / rows
  const headSize = rows / heads
  // Another shape than the config calls for, which is found out later.
  if (!Number.isInteger(headSize / 2)) return { shape, data }
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headSize)
    const within = row % headSize
    const to = head * headSize + (within % 2) * (headSize / 2) + Math.floor(within / 2)
    out.set(data.subarray(row * width, (row + 1) * width), to * width)
  }
  return { shape, data: out }
}
