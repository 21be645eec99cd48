/** What is wrong with a model's files is refused at once, in a message that names the file and what in it. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ErrorCode } from '../../../src/core/errors.ts'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import { readGguf } from '../../../src/gpu-worker/weights/gguf.ts'
import { readSafetensors, writeSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { f32Tensor, writeGguf, type GgufMetadata, type GgufTensor } from '../../../testing/write-gguf.ts'

/** What is done to a good one, and what is said then. */
type Case<T> = [change: (of: T) => void, message: RegExp, code?: ErrorCode]

/** What is spoilt has no type. */
type Json = ReturnType<typeof JSON.parse>

const UP = 'model.layers.1.mlp.up_proj.weight'
const GATE = 'model.layers.0.mlp.gate_proj.weight'

const editJson = (name: string, edit: (value: Json) => void) => (folder: string) => {
  const path = join(folder, name)
  const value = JSON.parse(readFileSync(path, 'utf8')) as Json
  edit(value)
  writeFileSync(path, JSON.stringify(value))
}
const write = (name: string, text: string) => (folder: string) => writeFileSync(join(folder, name), text)

describe('model.safetensors', () => {
  const weights = (folder: string) => join(folder, 'model.safetensors')

  /** Rewrites the header; `text` and `length` take the place of what it would be. */
  const header =
    (edit: (header: Json) => void, { text, length }: { text?: string; length?: bigint } = {}) =>
    (folder: string) => {
      const bytes = readFileSync(weights(folder))
      const end = 8 + Number(bytes.readBigUInt64LE())
      const value = JSON.parse(bytes.subarray(8, end).toString()) as Json
      edit(value)
      const written = Buffer.from(text ?? JSON.stringify(value))
      const prefix = Buffer.alloc(8)
      prefix.writeBigUInt64LE(length ?? BigInt(written.length))
      writeFileSync(weights(folder), Buffer.concat([prefix, written, bytes.subarray(end)]))
    }
  const asItIs = () => {}
  const tensors = (edit: (tensors: ReturnType<typeof readSafetensors>) => void) => (folder: string) => {
    const all = readSafetensors(weights(folder))
    edit(all)
    writeSafetensors(weights(folder), all)
  }

  const cases: Record<string, Case<string>> = {
    'a tensor of another shape': [
      tensors((all) => all.set(UP, { shape: [2, 3], data: new Float32Array(6) })),
      /tensor model\.layers\.1\.mlp\.up_proj\.weight has shape \[2,3\], but the model's config calls for \[352,128\]/,
    ],
    'a tensor that the model has no use for': [
      tensors((all) => all.set('model.layers.0.self_attn.q_norm.weight', { shape: [1], data: Float32Array.of(1) })),
      /tensor model\.layers\.0\.self_attn\.q_norm\.weight has no place in a model of type "llama"/,
      'unsupported_model',
    ],
    'two of them': [
      tensors((all) => ['a', 'b'].forEach((name) => all.set(name, { shape: [1], data: Float32Array.of(1) }))),
      /tensor a and 1 more have no place/,
      'unsupported_model',
    ],
    'a missing tensor': [tensors((all) => all.delete(UP)), /tensor .*up_proj\.weight is missing/],
    infinity: [tensors((all) => (all.get(UP)!.data[9] = -Infinity)), /up_proj\.weight holds -Infinity at element 9/],
    'tensors in the same bytes': [
      header((h) => (h[UP].data_offsets = h[GATE].data_offsets)),
      /the tensors model\.layers\.0\.mlp\.gate_proj\.weight and .*up_proj\.weight overlap/,
    ],
    'one tensor listed twice': [
      header((h) => (h[`${UP} `] = h[UP])),
      /the tensors .*up_proj\.weight and .*up_proj\.weight {2}overlap/,
    ],
    'bytes that belong to no tensor': [
      header((h) => delete h[UP]),
      /the 180224 bytes before tensor model\.layers\.1\.post_attention_layernorm\.weight belong to no tensor/,
    ],
    'more bytes than tensors': [
      (folder) => appendFileSync(weights(folder), Buffer.alloc(100)),
      /model\.safetensors: the last 100 bytes belong to no tensor/,
    ],
    'a tensor that begins before the file': [
      header((h) => (h[UP].data_offsets[0] = -4)),
      /the header is wrong at model\.layers\.1\.mlp\.up_proj\.weight\.data_offsets\.0/,
    ],
    'a tensor that ends before it begins': [header((h) => h[UP].data_offsets.reverse()), /up_proj\.weight ends before/],
    'a shape of more numbers than there are bytes': [
      header((h) => (h[UP].shape = [2 ** 40, 2 ** 40])),
      /up_proj\.weight has 180224 bytes, but its shape \[1099511627776,1099511627776\] needs/,
    ],
    'a shape without end': [header((h) => (h[UP].shape = Array(100_000).fill(1))), /but its shape \[1(,1){7}\] needs/],
    'a type that is not read': [
      header((h) => (h[UP].dtype = 'I64')),
      /up_proj\.weight has type I64; known are F32, F16, BF16/,
      'unsupported_model',
    ],
    'a header longer than anything': [header(asItIs, { length: 2n ** 63n }), /the header is longer than the file/],
    'a header as long as is allowed': [header(asItIs, { length: 99_000_000n }), /the header is longer than the file/],
    'no header': [header(asItIs, { length: 0n }), /the header is not JSON/],
    'a header that is a list': [header(asItIs, { text: '[]' }), /wrong at its beginning: it is not a JSON object/],
    'a file cut short': [
      (folder) => truncateSync(weights(folder), 2_000_000),
      /tensor model\.layers\.1\.self_attn\.v_proj\.weight reaches past the end of the file/,
    ],
    'a file of nothing': [(folder) => truncateSync(weights(folder), 0), /model\.safetensors: .* cut short/],
    "Git's pointer to the file": [
      write('model.safetensors', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'),
      /model\.safetensors: the header is longer than the file/,
    ],
    'a folder in its place': [
      (folder) => {
        rmSync(weights(folder))
        mkdirSync(weights(folder))
      },
      /model\.safetensors is not a file/,
    ],
  }
  refuses(cases, tinyModelFolder)

  test('numbers that follow from the config are no error', () => {
    const folder = tinyModelFolder()
    const buffer = 'model.layers.0.self_attn.rotary_emb.inv_freq'
    tensors((all) => all.set(buffer, { shape: [1], data: Float32Array.of(NaN) }))(folder)
    assert.equal(openPath(folder).model.layers, 4)
  })
})

describe('shards', () => {
  const INDEX = 'model.safetensors.index.json'
  const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']

  function sharded(): string {
    const folder = tinyModelFolder()
    const path = join(folder, 'model.safetensors')
    const tensors = [...readSafetensors(path)]
    const half = tensors.length / 2
    writeSafetensors(join(folder, first), new Map(tensors.slice(0, half)))
    writeSafetensors(join(folder, second), new Map(tensors.slice(half)))
    const weight_map = Object.fromEntries(tensors.map(([name], i) => [name, i < half ? first : second]))
    rmSync(path)
    write(INDEX, JSON.stringify({ metadata: {}, weight_map }))(folder)
    return folder
  }
  const shard = (name: string, edit: (tensors: ReturnType<typeof readSafetensors>) => void) => (folder: string) => {
    const all = readSafetensors(join(folder, name))
    edit(all)
    writeSafetensors(join(folder, name), all)
  }

  test('open as one file does, each tensor from where the index says', () => {
    const folder = sharded()
    // The same name, with other numbers, where the index does not look for it.
    const { shape, data } = readSafetensors(join(folder, first)).get(GATE)!
    shard(second, (all) => all.set(GATE, { shape, data: new Float32Array(data.length) }))(folder)
    assert.deepEqual(openPath(folder).weights.get(GATE)!.data, data)
  })

  refuses(
    {
      'a shard that is missing': [(folder) => rmSync(join(folder, second)), /00002-of-00002\.safetensors is missing/],
      'a tensor that is not where the index says': [
        shard(first, (all) => all.delete(GATE)),
        /00001-of-00002\.safetensors: tensor model\.layers\.0\.mlp\.gate_proj\.weight is missing, though .*index\.json/,
      ],
      'a tensor that the index leaves out': [
        editJson(INDEX, ({ weight_map }) => delete weight_map[UP]),
        /tensor .*up_proj\.weight is missing/,
      ],
      'a shard cut short': [
        (folder) => truncateSync(join(folder, second), 500_000),
        /^model-00002-of-00002\.safetensors: tensor .* reaches past the end of the file/,
      ],
      'a shard outside of the folder': [
        editJson(INDEX, ({ weight_map }) => (weight_map[UP] = '../../etc/x.safetensors')),
        /index\.json is not an index of shards: .*\.\.\/\.\.\/etc/,
      ],
      'an index of nothing': [write(INDEX, '{}'), /index\.json is not an index of shards: .*weight_map/],
    },
    sharded,
  )
})

describe('config.json', () => {
  const config = (change: object) => editJson('config.json', (value) => Object.assign(value, change))
  const cases: Record<string, Case<string>> = {
    'more layers than memory': [
      config({ num_hidden_layers: 1e9 }),
      /config\.json \(llama\): num_hidden_layers: 1000000000/,
    ],
    'a larger vocabulary than the weights have': [
      config({ vocab_size: 1e9 }),
      /embed_tokens\.weight has shape \[1024,128\], but the model's config calls for \[1000000000,128\]/,
      'corrupt_model',
    ],
    'heads that do not divide': [
      config({ num_key_value_heads: 3 }),
      /num_attention_heads: 4 is not a multiple of num_key_value_heads, 3/,
    ],
    'heads without halves': [config({ head_dim: 31 }), /of heads of 31 numbers 31 would be turned, in pairs/],
    'more heads than anything': [
      config({ num_attention_heads: 2 ** 31 }),
      /num_attention_heads: 2147483648 is not from 0 to 4096/,
    ],
    'heads wider than anything': [config({ head_dim: 2 ** 31 }), /head_dim: 2147483648 is not from 0 to 4096/],
    'a negative size': [config({ intermediate_size: -128 }), /intermediate_size: .* received -128/],
    'an epsilon below 0': [config({ rms_norm_eps: -1 }), /rms_norm_eps: -1 is not from 0 to 1/],
    'no base for positions': [config({ rope_theta: 0 }), /rope_theta: 0 is not above 0/],
    'positions divided by 0': [
      config({ rope_scaling: { rope_type: 'linear', factor: 0 } }),
      /factor: 0 is not above 0/,
    ],
    'a scaling that is not known': [
      config({ rope_scaling: { rope_type: 'spiral' } }),
      /rotary scaling "spiral" is not supported/,
    ],
    'attention in both directions': [
      config({ use_bidirectional_attention: true }),
      /use_bidirectional_attention true is not/,
    ],
    'attention that is not causal': [config({ is_causal: false }), /is_causal false is not supported/],
    'weights that are quantised': [
      config({ quantization_config: { quant_method: 'awq' } }),
      /quantization_config with settings is not supported; use the model from before it was quantised/,
    ],
    'kinds of layers for other layers': [
      config({ model_type: 'qwen2', layer_types: ['full_attention'] }),
      /layer_types lists 1 layers of 4/,
    ],
    'a kind of layer that is not known': [
      config({ model_type: 'qwen2', layer_types: Array(4).fill('linear_attention') }),
      /layers of kind "linear_attention" are not supported/,
    ],
    'an architecture that is not known': [config({ model_type: 'toString' }), /model_type "toString" is not supported/],
  }
  refuses(cases, tinyModelFolder, 'unsupported_model')
})

describe('the tokenizer', () => {
  const tokenizer = (edit: (value: Json) => void) => editJson('tokenizer.json', edit)
  const settings = (edit: (value: Json) => void) => editJson('tokenizer_config.json', edit)
  const cases: Record<string, Case<string>> = {
    'an id that is no whole number': [tokenizer((t) => (t.model.vocab['5'] = 1.5)), /the id of "5" is 1\.5/],
    'an id that takes a table without end': [
      tokenizer((t) => (t.model.vocab['5'] = 2 ** 31)),
      /the id of "5" is 2147483648; ids are whole numbers below 16777216/,
    ],
    'an added id that does': [
      tokenizer((t) => (t.added_tokens[0]!.id = 2 ** 31)),
      /is 2147483648; ids are whole numbers below/,
    ],
    'a negative id': [tokenizer((t) => (t.model.vocab['5'] = -1)), /the id of "5" is -1/],
    'one id for two tokens': [
      tokenizer((t) => (t.model.vocab['5'] = t.model.vocab['6'])),
      /"5" and "6" have one id, \d+/,
    ],
    'no vocabulary': [tokenizer((t) => delete t.model.vocab), /its tokenizer cannot be used: it has no vocabulary/],
    'a kind that is not known': [tokenizer((t) => (t.model.type = 'Magic')), /its type is "Magic"; known are BPE/],
    nothing: [write('tokenizer.json', 'null'), /tokenizer\.json is not a JSON object/],
    'settings that are none': [write('tokenizer_config.json', '[]'), /tokenizer_config\.json is not a JSON object/],
    'a chat template that is no text': [settings((c) => (c.chat_template = 5)), /its chat_template is not a text/],
  }
  refuses(cases, tinyModelFolder)
})

describe('GGUF', () => {
  const { metadata, tensors } = readGguf(fileURLToPath(new URL('../../fixtures/gguf/llama.gguf', import.meta.url)))
  const METADATA = Object.fromEntries(metadata) as GgufMetadata
  const TENSORS = Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, f32Tensor(shape, data)]))
  const FFN = 'blk.0.ffn_gate.weight'

  const good = (meta: GgufMetadata = METADATA, all: Record<string, GgufTensor> = TENSORS) => {
    const path = join(temporaryFolder(), 'model.gguf')
    writeGguf(path, meta, all)
    return path
  }
  const rewrite = (meta: GgufMetadata, all?: Record<string, GgufTensor>) => (path: string) => {
    writeFileSync(path, readFileSync(good({ ...METADATA, ...meta }, all)))
  }
  const bytes = (edit: (file: Buffer) => void) => (path: string) => {
    const file = readFileSync(path)
    edit(file)
    writeFileSync(path, file)
  }
  /** Where, in the header, the description of a tensor of two dimensions goes on after its name. */
  const at = (file: Buffer, field: 'rank' | 'size' | 'offset') =>
    file.indexOf(FFN) + FFN.length + { rank: 0, size: 4, offset: 24 }[field]
  const without = (key: string) => {
    const { [key]: _, ...rest } = METADATA
    return rest
  }

  const cases: Record<string, Case<string>> = {
    'a tensor of another shape': [
      rewrite({}, { ...TENSORS, [FFN]: f32Tensor([2, 3], new Float32Array(6)) }),
      /model\.gguf: tensor .*gate_proj\.weight has shape \[2,3\], but the model's config calls for \[128,48\]/,
    ],
    'a missing tensor': [
      rewrite({}, { ...TENSORS, [FFN]: TENSORS['blk.0.attn_norm.weight']! }),
      /gate_proj\.weight has shape/,
    ],
    'a number that is none': [
      rewrite({}, { ...TENSORS, [FFN]: f32Tensor([128, 48], new Float32Array(128 * 48).fill(NaN)) }),
      /model\.gguf: tensor model\.layers\.0\.mlp\.gate_proj\.weight holds NaN at element 0/,
    ],
    'tensors in the same bytes': [
      bytes((file) => file.writeBigUInt64LE(0n, at(file, 'offset'))),
      /the tensors .* and blk\.0\.ffn_gate\.weight overlap/,
    ],
    'a tensor far beyond the file': [
      bytes((file) => file.writeBigUInt64LE(2n ** 63n, at(file, 'offset'))),
      /blk\.0\.ffn_gate\.weight reaches past the end of the file/,
    ],
    'a tensor of more numbers than memory holds': [
      bytes((file) => file.writeBigUInt64LE(2n ** 62n, at(file, 'size'))),
      /model\.gguf: the tensors blk\.0\.ffn_gate\.weight and .* overlap/,
    ],
    'a tensor of four thousand million dimensions': [
      bytes((file) => file.writeUInt32LE(0xffffffff, at(file, 'rank'))),
      /tensor blk\.0\.ffn_gate\.weight has 4294967295 dimensions/,
    ],
    'more tensors than bytes': [bytes((file) => file.writeBigUInt64LE(2n ** 60n, 8)), /the tensor count is \d+, more/],
    'as many tensors as bytes': [
      bytes((file) => file.writeBigUInt64LE(BigInt(file.length - 1), 8)),
      /model\.gguf: .*of tensor \d+ is \d+, more than the file could hold/,
    ],
    'more keys than bytes': [bytes((file) => file.writeBigUInt64LE(2n ** 60n, 16)), /the key count is \d+, more/],
    'a type that is not known': [
      rewrite({}, { ...TENSORS, [FFN]: { ...TENSORS[FFN]!, type: 99 } }),
      /blk\.0\.ffn_gate\.weight has type number 99; known are F32/,
      'unsupported_model',
    ],
    'a version to come': [
      bytes((file) => file.writeUInt32LE(9, 4)),
      /GGUF version 9 cannot be read/,
      'unsupported_model',
    ],
    'tensors cut short': [
      (path) => truncateSync(path, statSync(path).size - 500),
      /model\.gguf: tensor blk\.1\.attn_v\.weight reaches past the end of the file/,
    ],
    'a header cut short': [(path) => truncateSync(path, 100), /llama\.context_length reaches past the end/],
    'a file of nothing': [(path) => truncateSync(path, 0), /model\.gguf: the magic number reaches past the end/],
    'another kind of file': [(path) => writeFileSync(path, '<html>'), /it does not begin with GGUF/],
    'more layers than memory': [
      rewrite({ 'llama.block_count': 4e9 }),
      /model\.gguf \(llama\): num_hidden_layers/,
      'unsupported_model',
    ],
    'heads that do not divide': [
      rewrite({ 'llama.attention.head_count_kv': 5 }),
      /model\.gguf \(llama\): num_attention_heads: 4 is not a multiple of num_key_value_heads, 5/,
      'unsupported_model',
    ],
    'heads that the tensors do not have': [
      rewrite({ 'llama.attention.head_count': 6, 'llama.attention.key_length': 16 }),
      /self_attn\.q_proj\.weight has shape \[48,48\], but the model's config calls for \[96,48\]/,
    ],
    'an alignment that is none': [rewrite({ 'general.alignment': 0 }), /general\.alignment is not a size/],
    'no tokens': [
      (path) => writeFileSync(path, readFileSync(good(without('tokenizer.ggml.tokens')))),
      /tokenizer\.ggml\.tokens is missing or not a list of texts/,
    ],
    'a tokenizer of another kind': [
      rewrite({ 'tokenizer.ggml.model': 'bert' }),
      /its tokenizer is "bert"/,
      'unsupported_model',
    ],
  }
  refuses(cases, good)
})

function refuses(cases: Record<string, Case<string>>, good: () => string, usual: ErrorCode = 'corrupt_model'): void {
  for (const [name, [spoil, message, code = usual]] of Object.entries(cases)) {
    test(`refuses ${name}`, () => {
      const path = good()
      spoil(path)
      assert.throws(() => openPath(path), { code, message })
    })
  }
}
