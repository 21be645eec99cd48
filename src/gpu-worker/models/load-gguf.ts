import { basename } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { ggufTokenizer } from '../text/gguf-tokenizer.ts'
import type { TokenizerFiles } from '../text/text-codec.ts'
import { readGguf, type GgufValue } from '../weights/gguf.ts'
import type { StoredTensor } from '../weights/safetensors.ts'
import { modelFromConfig } from './index.ts'
import { checkWeights, type LoadedModel } from './load.ts'

type Metadata = ReadonlyMap<string, GgufValue>

/**
 * A model and its tokenizer out of one GGUF file, under the names and in the layout that safetensors have.
 * Throws `corrupt_model`, or `unsupported_model` for another architecture than `llama` and for what its config
 * cannot say.
 */
export function loadGguf(path: string): LoadedModel & { tokenizer: TokenizerFiles } {
  const { metadata, tensors } = readGguf(path)
  const file = basename(path)
  const architecture = metadata.get('general.architecture')
  if (architecture !== 'llama') {
    throw new GavelError(
      'unsupported_model',
      `${file}: architecture ${JSON.stringify(architecture)} is not supported in GGUF; known is "llama"`,
    )
  }
  if (tensors.has('rope_freqs.weight')) {
    throw new GavelError(
      'unsupported_model',
      `${file}: rope_freqs.weight holds a rotary scaling whose settings GGUF leaves out; use the model's safetensors`,
    )
  }
  const config = llamaConfig(metadata, tensors, file)
  const model = modelFromConfig(config)
  const renamed = new Map([...tensors].map(([name, tensor]) => safetensorsEntry(name, tensor, config)))
  return {
    model,
    config,
    weights: checkWeights(model, renamed, file),
    tokenizer: ggufTokenizer(metadata, file),
  }
}

function llamaConfig(metadata: Metadata, tensors: ReadonlyMap<string, StoredTensor>, file: string) {
  const number = (key: string, fallback?: number): number => {
    const value = metadata.get(key) ?? fallback
    if (typeof value === 'number') return value
    throw new GavelError('corrupt_model', `${file}: the number ${key} is missing`, { param: key })
  }
  const heads = number('llama.attention.head_count')
  const hiddenSize = number('llama.embedding_length')
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: tensors.get('token_embd.weight')?.shape[0] ?? number('llama.vocab_size'),
    hidden_size: hiddenSize,
    intermediate_size: number('llama.feed_forward_length'),
    num_hidden_layers: number('llama.block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('llama.attention.head_count_kv', heads),
    head_dim: number('llama.attention.key_length', hiddenSize / heads),
    max_position_embeddings: number('llama.context_length'),
    // Stored in single precision: the shortest decimal that means the same is what was written.
    rms_norm_eps: shortest(number('llama.attention.layer_norm_rms_epsilon')),
    rope_theta: shortest(number('llama.rope.freq_base', 10_000)),
    rope_scaling: ropeScaling(metadata, number),
    hidden_act: 'silu',
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: metadata.get('tokenizer.ggml.bos_token_id') ?? null,
    eos_token_id: metadata.get('tokenizer.ggml.eos_token_id') ?? null,
    pad_token_id: metadata.get('tokenizer.ggml.padding_token_id') ?? null,
  }
}

function ropeScaling(metadata: Metadata, number: (key: string, fallback?: number) => number) {
  const kind = metadata.get('llama.rope.scaling.type')
  if (kind === undefined || kind === 'none') return null
  return { rope_type: kind, factor: number('llama.rope.scaling.factor', 1) }
}

const shortest = (single: number): number => {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(single.toPrecision(digits))
    if (Math.fround(candidate) === single) return candidate
  }
  return single
}

/** llama.cpp's names of a block's tensors. */
const BLOCK_NAMES: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

const OUTER_NAMES: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
}

function safetensorsEntry(
  name: string,
  tensor: StoredTensor,
  config: { num_attention_heads: number; num_key_value_heads: number },
): [string, StoredTensor] {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (!layer || !part || !BLOCK_NAMES[part]) return [OUTER_NAMES[name] ?? name, tensor]
  const heads = { attn_q: config.num_attention_heads, attn_k: config.num_key_value_heads }[part]
  const restored = heads === undefined ? tensor : unpermuteRows(tensor, heads)
  return [`model.layers.${layer}.${BLOCK_NAMES[part]}.${kind}`, restored]
}

/**
 * llama.cpp rotates neighbouring pairs where transformers rotates the first half of a head with the second, and
 * reorders the rows of q and k to suit: row 2i + j of a head there is row j·D/2 + i here.
 */
export function unpermuteRows({ shape, data }: StoredTensor, heads: number): StoredTensor {
  const rows = shape[0]!
  const width = data.length / rows
  const headSize = rows / heads
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headSize)
    const within = row % headSize
    const to = head * headSize + (within % 2) * (headSize / 2) + Math.floor(within / 2)
    out.set(data.subarray(row * width, (row + 1) * width), to * width)
  }
  return { shape, data: out }
}
