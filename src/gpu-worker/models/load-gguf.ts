import { basename } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { ggufTokenizer } from '../text/gguf-tokenizer.ts'
import type { TokenizerFiles } from '../text/text-codec.ts'
import { readGguf, type GgufValue } from '../weights/gguf.ts'
import type { StoredTensor } from '../weights/safetensors.ts'
import { modelFromConfig } from './index.ts'
import { checkWeights, type LoadedModel } from './load-folder.ts'

type Metadata = ReadonlyMap<string, GgufValue>

/**
 * A model and its tokenizer out of one GGUF file, under the names and in the layout that safetensors have.
 * Throws `corrupt_model`, or `unsupported_model` for another architecture than {@link ARCHITECTURES} has and for what a
 * `config.json` cannot say.
 */
export function loadGguf(path: string): LoadedModel & { tokenizer: TokenizerFiles } {
  const { metadata, tensors } = readGguf(path)
  const file = basename(path)
  const name = metadata.get('general.architecture')
  const architecture = Object.hasOwn(ARCHITECTURES, String(name)) ? ARCHITECTURES[name as ArchitectureName] : undefined
  if (!architecture) {
    throw new GavelError(
      'unsupported_model',
      `${file}: architecture ${JSON.stringify(name)} is not supported in GGUF; known are ${Object.keys(ARCHITECTURES).join(', ')}`,
    )
  }
  if (tensors.has('rope_freqs.weight')) {
    throw new GavelError(
      'unsupported_model',
      `${file}: rope_freqs.weight holds a rotary scaling whose settings GGUF leaves out; use the model's safetensors`,
    )
  }
  const header = new Header(metadata, tensors, file)
  const config = { ...architecture.config(header), ...header.specialTokens() }
  const model = modelFromConfig(config, file)
  const renamed = new Map([...tensors].map(([tensorName, tensor]) => architecture.entry(tensorName, tensor, header)))
  return {
    model,
    config,
    weights: checkWeights(model, renamed, file),
    tokenizer: ggufTokenizer(metadata, file),
  }
}

/** The metadata of a file, read by name; its architecture's own keys begin with the architecture's name. */
class Header {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, StoredTensor>
  private readonly file: string

  constructor(metadata: Metadata, tensors: ReadonlyMap<string, StoredTensor>, file: string) {
    this.metadata = metadata
    this.tensors = tensors
    this.file = file
  }

  own(key: string): GgufValue | undefined {
    return this.metadata.get(`${String(this.metadata.get('general.architecture'))}.${key}`)
  }

  number(key: string, fallback?: number): number {
    const value = this.own(key) ?? fallback
    if (typeof value === 'number') return value
    const name = `${String(this.metadata.get('general.architecture'))}.${key}`
    throw new GavelError('corrupt_model', `${this.file}: the number ${name} is missing`, { param: name })
  }

  /** A number stored in single precision: the shortest decimal that means the same is what was written. */
  decimal(key: string, fallback?: number): number {
    const single = this.number(key, fallback)
    for (let digits = 1; digits < 9; digits++) {
      const candidate = Number(single.toPrecision(digits))
      if (Math.fround(candidate) === single) return candidate
    }
    return single
  }

  unsupported(what: string): GavelError {
    return new GavelError('unsupported_model', `${this.file}: ${what}; use the model's safetensors`)
  }

  get vocabularySize(): number {
    return this.tensors.get('token_embd.weight')?.shape[0] ?? this.number('vocab_size')
  }

  specialTokens() {
    const id = (name: string) => this.metadata.get(`tokenizer.ggml.${name}_token_id`) ?? null
    return { bos_token_id: id('bos'), eos_token_id: id('eos'), pad_token_id: id('padding') }
  }
}

interface Architecture {
  /** The `config.json` that says what the header does. */
  config(header: Header): Record<string, unknown>
  /** A tensor under its safetensors name and in that layout. */
  entry(name: string, tensor: StoredTensor, header: Header): [string, StoredTensor]
}

const ARCHITECTURES = {
  llama: {
    config: (header) => ({
      ...llamaConfig(header),
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      attention_bias: false,
      mlp_bias: false,
    }),
    entry(name, tensor, header) {
      const heads = header.number('attention.head_count')
      const rotated = /\.attn_q\./.test(name) ? heads : /\.attn_k\./.test(name) ? kvHeads(header) : null
      return [renamed(name, LLAMA_NAMES, 'model.layers.'), rotated === null ? tensor : unpermuteRows(tensor, rotated)]
    },
  },
  qwen2: {
    config: (header) => ({ ...llamaConfig(header), architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' }),
    entry: (name, tensor) => [renamed(name, LLAMA_NAMES, 'model.layers.'), tensor],
  },
  qwen3: {
    config: (header) => ({
      ...llamaConfig(header),
      architectures: ['Qwen3ForCausalLM'],
      model_type: 'qwen3',
      attention_bias: false,
    }),
    entry: (name, tensor) => [renamed(name, LLAMA_NAMES, 'model.layers.'), tensor],
  },
  gpt2: {
    config: (header) => ({
      architectures: ['GPT2LMHeadModel'],
      model_type: 'gpt2',
      vocab_size: header.vocabularySize,
      n_embd: header.number('embedding_length'),
      n_layer: header.number('block_count'),
      n_head: header.number('attention.head_count'),
      n_positions: header.number('context_length'),
      n_inner: header.number('feed_forward_length'),
      activation_function: 'gelu_new',
      layer_norm_epsilon: header.decimal('attention.layer_norm_epsilon'),
    }),
    // GGUF has every linear [out,in]; GPT-2's own files have them the other way round.
    entry: (name, tensor) => [
      renamed(name, GPT2_NAMES, 'transformer.h.'),
      /^blk\..*(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) ? transposed(tensor) : tensor,
    ],
  },
} satisfies Record<string, Architecture>
type ArchitectureName = keyof typeof ARCHITECTURES

const kvHeads = (header: Header) => header.number('attention.head_count_kv', header.number('attention.head_count'))

/** What Llama and its relatives have in common. */
function llamaConfig(header: Header) {
  const heads = header.number('attention.head_count')
  const hiddenSize = header.number('embedding_length')
  return {
    vocab_size: header.vocabularySize,
    hidden_size: hiddenSize,
    intermediate_size: header.number('feed_forward_length'),
    num_hidden_layers: header.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: kvHeads(header),
    head_dim: header.number('attention.key_length', hiddenSize / heads),
    max_position_embeddings: header.number('context_length'),
    rms_norm_eps: header.decimal('attention.layer_norm_rms_epsilon'),
    rope_theta: header.decimal('rope.freq_base', 10_000),
    rope_scaling: ropeScaling(header),
    hidden_act: 'silu',
    tie_word_embeddings: !header.tensors.has('output.weight'),
  }
}

function ropeScaling(header: Header) {
  const kind = header.own('rope.scaling.type')
  if (kind === undefined || kind === 'none') return null
  if (kind !== 'linear') throw header.unsupported(`rotary scaling ${JSON.stringify(kind)} is not read from GGUF`)
  return { rope_type: kind, factor: header.number('rope.scaling.factor', 1) }
}

/** llama.cpp's names of tensors, a block's without `blk.N.` and the kind behind. */
interface Names {
  outer: Readonly<Record<string, string>>
  block: Readonly<Record<string, string>>
}

const LLAMA_NAMES: Names = {
  outer: {
    'token_embd.weight': 'model.embed_tokens.weight',
    'output_norm.weight': 'model.norm.weight',
    'output.weight': 'lm_head.weight',
  },
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

const GPT2_NAMES: Names = {
  outer: {
    'token_embd.weight': 'transformer.wte.weight',
    'position_embd.weight': 'transformer.wpe.weight',
    'output_norm.weight': 'transformer.ln_f.weight',
    'output_norm.bias': 'transformer.ln_f.bias',
  },
  block: {
    attn_norm: 'ln_1',
    attn_qkv: 'attn.c_attn',
    attn_output: 'attn.c_proj',
    ffn_norm: 'ln_2',
    ffn_up: 'mlp.c_fc',
    ffn_down: 'mlp.c_proj',
  },
}

function renamed(name: string, { outer, block }: Names, blockPrefix: string): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (!layer || !part || !block[part]) return outer[name] ?? name
  return `${blockPrefix}${layer}.${block[part]}.${kind}`
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
