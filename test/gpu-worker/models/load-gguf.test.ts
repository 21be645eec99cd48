import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadFolder } from '../../../src/gpu-worker/models/load-folder.ts'
import { loadGguf } from '../../../src/gpu-worker/models/load-gguf.ts'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { temporaryFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'
import { codec, initialWeights, TINY_CONFIG } from '../../../testing/tiny-model.ts'
import { f32Tensor, writeGguf, type GgufMetadata, type GgufTensor } from '../../../testing/write-gguf.ts'

const weights = initialWeights(3)
const NAMES: Record<string, string> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'self_attn.q_proj.weight': 'attn_q.weight',
  'self_attn.k_proj.weight': 'attn_k.weight',
  'self_attn.v_proj.weight': 'attn_v.weight',
  'self_attn.o_proj.weight': 'attn_output.weight',
  'mlp.gate_proj.weight': 'ffn_gate.weight',
  'mlp.up_proj.weight': 'ffn_up.weight',
  'mlp.down_proj.weight': 'ffn_down.weight',
  'input_layernorm.weight': 'attn_norm.weight',
  'post_attention_layernorm.weight': 'ffn_norm.weight',
}

/**
 * What llama.cpp's converter does to q and k: reshape(heads, 2, D/2, width).swapaxes(1, 2). Written by places, the
 * other way round than the reader.
 */
function permuted(data: Float32Array, heads: number, rows: number): Float32Array {
  const width = data.length / rows
  const half = rows / heads / 2
  const out: number[] = []
  for (let head = 0; head < heads; head++)
    for (let pair = 0; pair < half; pair++)
      for (const side of [0, 1]) {
        const row = head * 2 * half + side * half + pair
        out.push(...data.subarray(row * width, (row + 1) * width))
      }
  return Float32Array.from(out)
}

function converted(source: Weights): Record<string, GgufTensor> {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = TINY_CONFIG
  return Object.fromEntries(
    [...source].map(([name, { shape, data }]) => {
      const [, layer, part] = /^model\.layers\.(\d+)\.(.*)$/.exec(name) ?? []
      const count = part?.includes('q_proj') ? heads : part?.includes('k_proj') ? kvHeads : null
      const stored = count === null ? data : permuted(data, count, shape[0]!)
      return [part ? `blk.${layer}.${NAMES[part]}` : NAMES[name]!, f32Tensor(shape, stored)]
    }),
  )
}

const vocabulary = (
  tinyTokenizer().tokenizer as { model: { vocab: Record<string, number>; merges: (string | string[])[] } }
).model
const tokens = Object.entries(vocabulary.vocab)
  .sort(([, a], [, b]) => a - b)
  .map(([token]) => token)

const METADATA: GgufMetadata = {
  'general.architecture': 'llama',
  'llama.block_count': 4,
  'llama.context_length': 512,
  'llama.embedding_length': 128,
  'llama.feed_forward_length': 352,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
  'llama.rope.freq_base': 10000.5,
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'smollm',
  'tokenizer.ggml.tokens': tokens,
  'tokenizer.ggml.token_type': tokens.map((token) => (token.startsWith('<') && token.endsWith('>') ? 3 : 1)),
  'tokenizer.ggml.merges': vocabulary.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
  'tokenizer.ggml.eos_token_id': 1,
  'tokenizer.ggml.padding_token_id': 0,
  'tokenizer.chat_template': '{{ messages[0].content }}!',
}

function file(change: GgufMetadata = {}, tensors = converted(weights)): string {
  const path = join(temporaryFolder(), 'tiny.gguf')
  writeGguf(path, { ...METADATA, ...change }, tensors)
  return path
}

test('gives the weights back under safetensors’ names and in their layout', () => {
  const loaded = loadGguf(file())
  assert.deepEqual([...loaded.weights.keys()], [...weights.keys()])
  for (const [name, { shape, data }] of weights) {
    assert.deepEqual(loaded.weights.get(name)!.shape, shape)
    assert.ok(
      data.every((x, i) => x === loaded.weights.get(name)!.data[i]),
      name,
    )
  }
})

test('writes the config that transformers would have', () => {
  const { config } = loadGguf(file())
  const { torch_dtype: _, ...expected } = TINY_CONFIG
  assert.deepEqual(config, { ...expected, rope_theta: 10000.5, rope_scaling: null })
  const own = {
    ...converted(weights),
    'output.weight': f32Tensor([1024, 128], weights.get('model.embed_tokens.weight')!.data),
  }
  const untied = loadGguf(file({}, own))
  assert.equal(untied.config.tie_word_embeddings, false)
  assert.equal(untied.model.head, 'lm_head.weight')
  const scaled = loadGguf(file({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2.5 }))
  assert.deepEqual(scaled.config.rope_scaling, { rope_type: 'linear', factor: 2.5 })
})

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url))

for (const name of ['llama', 'qwen2', 'qwen3', 'gpt2']) {
  test(`${name}: a file made with gguf's own table of names is the model that went in`, () => {
    const gguf = openPath(join(FIXTURES, `gguf/${name}.gguf`))
    const original = loadFolder(join(FIXTURES, `parity/${name}`), { configFile: 'config.v4.json' })
    assert.deepEqual([...gguf.weights.keys()].sort(), [...original.weights.keys()].sort())
    for (const [parameter, { shape, data }] of original.weights) {
      assert.deepEqual(gguf.weights.get(parameter)!.shape, shape, parameter)
      assert.ok(
        data.every((x, i) => x === gguf.weights.get(parameter)!.data[i]),
        parameter,
      )
    }
    // Nothing is said otherwise than in the original's config; what only one of them says is a default.
    const given = Object.entries(gguf.config).filter(([key, value]) => value !== null && original.config[key] != null)
    assert.ok(given.length > 8)
    for (const [key, value] of given) assert.deepEqual(value, key === 'n_inner' ? 192 : original.config[key], key)
    assert.deepEqual(gguf.codec.stopIds, [2])
  })
}

test('its tokenizer is the one that went in, digits and special tokens included', () => {
  const opened = openPath(file())
  for (const text of ['né 👍 ½ ², 3.14', '  two  spaces\n'])
    assert.equal(opened.codec.decode(opened.codec.encode(text)), text)
  for (const text of ['Tom has 12345 apples.', ' a  b\n\nc', '3.14 <eos>x<pad>'])
    assert.deepEqual(opened.codec.encode(text), codec.encode(text))
  assert.equal(opened.codec.encode('12345').length, 5)
  assert.deepEqual(opened.codec.stopIds, [1])
  assert.equal(opened.codec.renderChat([{ role: 'user', content: 'hi' }]), 'hi!')
})

test('refuses what it cannot give back, and what is missing', () => {
  const refused = (path: string, code: string, message: RegExp) =>
    assert.throws(() => loadGguf(path), { code, message })
  refused(
    file({ 'general.architecture': 'mamba' }),
    'unsupported_model',
    /tiny\.gguf: architecture "mamba" is not supported in GGUF; known are llama, qwen2, qwen3, gpt2/,
  )
  refused(file({ 'tokenizer.ggml.pre': 'odd' }), 'unsupported_model', /pre-tokenizer "odd"/)
  refused(file({ 'tokenizer.ggml.model': 'llama' }), 'unsupported_model', /its tokenizer is "llama"/)
  refused(file({ 'tokenizer.ggml.merges': 5 }), 'corrupt_model', /tokenizer\.ggml\.merges is missing or not a list/)
  refused(file({ 'llama.block_count': 'four' }), 'corrupt_model', /the number llama\.block_count is missing/)
  refused(file({ 'llama.rope.scaling.type': 'yarn' }), 'unsupported_model', /rotary scaling "yarn"/)
  const { 'blk.2.ffn_up.weight': _, ...incomplete } = converted(weights)
  refused(file({}, incomplete), 'corrupt_model', /tensor model\.layers\.2\.mlp\.up_proj\.weight is missing/)
  const freqs = { ...converted(weights), 'rope_freqs.weight': f32Tensor([16], new Float32Array(16)) }
  refused(file({}, freqs), 'unsupported_model', /rope_freqs\.weight/)
})
