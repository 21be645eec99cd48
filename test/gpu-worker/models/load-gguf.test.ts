import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
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

for (const name of ['llama', 'qwen2', 'qwen3', 'gpt2', 'gemma', 'gemma2', 'gemma3', 'granite', 'phi3']) {
  test(`${name}: a file made with gguf's own table of names is the model that went in`, () => {
    const gguf = openPath(join(FIXTURES, `gguf/${name}.gguf`))
    const folder = ['parity', 'families'].map((kind) => join(FIXTURES, kind, name)).find((path) => existsSync(path))!
    const original = loadFolder(folder, { configFile: 'config.v4.json' })
    assert.deepEqual([...gguf.weights.keys()].sort(), [...original.weights.keys()].sort())
    for (const [parameter, { shape, data }] of original.weights) {
      assert.deepEqual(gguf.weights.get(parameter)!.shape, shape, parameter)
      assert.ok(
        // Gemma's norms have 1 added there, which rounds them.
        data.every((x, i) => Math.abs(x - gguf.weights.get(parameter)!.data[i]!) <= (/^gemma/.test(name) ? 3e-7 : 0)),
        parameter,
      )
    }
    // Nothing is said otherwise than in the original's config; what only one of them says is a default.
    const given = Object.entries(gguf.config).filter(([key, value]) => value !== null && original.config[key] != null)
    assert.ok(given.length > 8)
    // GGUF does not say the one, and llama.cpp takes the width of a head for the other, but in the largest models.
    const otherwise: Record<string, unknown> = { n_inner: 192, query_pre_attn_scalar: original.config.head_dim }
    for (const [key, value] of given) {
      if (key === 'rope_scaling' && name === 'phi3') continue // Held by the next test.
      assert.deepEqual(value, otherwise[key] ?? original.config[key], key)
    }
    assert.deepEqual(gguf.codec.stopIds, [2])
  })
}

test('factors for short and long texts, and the magnitude, are longrope', () => {
  const { config } = openPath(join(FIXTURES, 'gguf/phi3.gguf'))
  assert.deepEqual(config.rope_scaling, {
    rope_type: 'longrope',
    short_factor: [1, 1.07, 1.28].map(Math.fround),
    long_factor: [1.3, 2.2, 3.1].map(Math.fround),
    original_max_position_embeddings: 48,
    attention_factor: Number(Math.fround(Math.sqrt(1 + Math.log(2) / Math.log(48))).toPrecision(8)),
  })
  assert.equal(config.partial_rotary_factor, 0.75)
})

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
    /tiny\.gguf: architecture "mamba" is not supported in GGUF; known are llama, granite, qwen2/,
  )
  refused(file({ 'tokenizer.ggml.pre': 'odd' }), 'unsupported_model', /pre-tokenizer "odd"/)
  refused(
    file({ 'tokenizer.ggml.model': 'bert' }),
    'unsupported_model',
    /its tokenizer is "bert"; known are gpt2, llama/,
  )
  refused(file({ 'tokenizer.ggml.merges': 5 }), 'corrupt_model', /tokenizer\.ggml\.merges is missing or not a list/)
  refused(file({ 'llama.block_count': 'four' }), 'corrupt_model', /the number llama\.block_count is missing/)
  refused(file({ 'llama.rope.scaling.type': 'spiral' }), 'unsupported_model', /rotary scaling "spiral" is not known/)
  refused(
    file({ 'llama.attention.clamp_kqv': 8 }),
    'unsupported_model',
    /llama\.attention\.clamp_kqv is 8, which the engine has no use for; use the model's safetensors/,
  )
  refused(file({ 'llama.rope.dimension_count': 16 }), 'unsupported_model', /turns a part of each head only/)
  refused(file({ 'llama.attention.value_length': 16 }), 'unsupported_model', /values are not as wide as its keys/)
  const extra = { ...converted(weights), 'blk.0.attn_q_norm.weight': f32Tensor([32], new Float32Array(32)) }
  refused(file({}, extra), 'unsupported_model', /tensor blk\.0\.attn_q_norm\.weight has no place/)
  const { 'blk.2.ffn_up.weight': _, ...incomplete } = converted(weights)
  refused(file({}, incomplete), 'corrupt_model', /tensor model\.layers\.2\.mlp\.up_proj\.weight is missing/)
  const freqs = { ...converted(weights), 'rope_freqs.weight': f32Tensor([16], new Float32Array(16)) }
  refused(file({}, freqs), 'unsupported_model', /rope_freqs\.weight holds factors that no Llama 3 scaling gives/)
})

test('says what is the same in either way, and is neutral, without a word', () => {
  const said = { 'llama.attention.clamp_kqv': 0, 'llama.expert_count': 0, 'llama.attention.value_length': 32 }
  assert.equal(loadGguf(file({ ...said, 'llama.vocab_size': 5 })).model.vocabularySize, 1024)
})

/** Factors as llama.cpp's converter makes them of Llama 3's settings, heads of 32 and a base of 10,000.5. */
function llama3Factors({ factor, low, high, original }: Record<'factor' | 'low' | 'high' | 'original', number>) {
  return Float32Array.from({ length: 16 }, (_, i) => {
    const wavelength = 2 * Math.PI * 10_000.5 ** ((2 * i) / 32)
    if (wavelength < original / high) return 1
    if (wavelength > original / low) return factor
    const smooth = (original / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}

test('factors of frequencies are the settings that they came from, or are refused', () => {
  const opened = (settings: Parameters<typeof llama3Factors>[0]) => {
    const factors = f32Tensor([16], llama3Factors(settings))
    return loadGguf(file({}, { ...converted(weights), 'rope_freqs.weight': factors })).config.rope_scaling
  }
  for (const [factor, original] of [
    [8, 8192],
    [32, 8192],
    [8, 100],
  ] as const) {
    assert.deepEqual(opened({ factor, original, low: 1, high: 4 }), {
      rope_type: 'llama3',
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: original,
    })
  }
  assert.throws(() => opened({ factor: 8, original: 400, low: 1, high: 2 }), /that no Llama 3 scaling gives/)
})

test('a scaling by old and new keys', () => {
  const scaling = (keys: GgufMetadata) => loadGguf(file(keys)).config.rope_scaling
  assert.deepEqual(scaling({ 'llama.rope.scale_linear': 4 }), { rope_type: 'linear', factor: 4 })
  const yarn = {
    'llama.rope.scaling.type': 'yarn',
    'llama.rope.scaling.factor': 4,
    'llama.rope.scaling.original_context_length': 128,
  }
  assert.deepEqual(scaling(yarn), { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 })
})

test('biases and a window are found in what the file holds', () => {
  const bias = (name: string, size: number) => ({ [`${name}.bias`]: f32Tensor([size], new Float32Array(size)) })
  const all = [0, 1, 2, 3].flatMap((i) =>
    Object.entries({ attn_q: 128, attn_k: 64, attn_v: 64, attn_output: 128 }).map(([name, size]) =>
      bias(`blk.${i}.${name}`, size),
    ),
  )
  const biased = loadGguf(file({}, Object.assign({}, converted(weights), ...all) as Record<string, GgufTensor>))
  assert.equal(biased.config.attention_bias, true)
  assert.ok(biased.weights.has('model.layers.3.self_attn.o_proj.bias'))
  const windowed = loadGguf(file({ 'llama.attention.sliding_window': 64 }))
  assert.deepEqual([windowed.config.model_type, windowed.config.sliding_window], ['mistral', 64])
})

test('a split file is opened by its first part, and says which part is wanted or missing', () => {
  const folder = temporaryFolder()
  const [first, second] = [1, 2].map((i) => join(folder, `x-0000${i}-of-00002.gguf`)) as [string, string]
  const all = Object.entries(converted(weights))
  const split = { 'split.no': 0, 'split.count': 2, 'split.tensors.count': all.length }
  writeGguf(first, { ...METADATA, ...split }, Object.fromEntries(all.slice(0, 20)))
  assert.throws(() => loadGguf(first), {
    code: 'corrupt_model',
    message: /x-00002-of-00002\.gguf is missing, a part of 2/,
  })
  writeGguf(second, { 'general.architecture': 'llama', ...split, 'split.no': 1 }, Object.fromEntries(all.slice(20)))
  assert.deepEqual([...loadGguf(first).weights.keys()], [...weights.keys()])
  assert.throws(() => loadGguf(second), {
    code: 'invalid_request',
    message: /one part of 2: open the first, x-00001-of/,
  })
  writeGguf(second, split, Object.fromEntries(all.slice(19)))
  assert.throws(() => loadGguf(first), /x-00002-of-00002\.gguf: tensor .* is in another part, too/)
})
