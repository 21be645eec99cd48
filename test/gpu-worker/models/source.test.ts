import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import {
  openFolder,
  openModel,
  openPath,
  saveFolder,
  sourcesFor,
  tenantsIn,
} from '../../../src/gpu-worker/models/source.ts'
import { readSafetensors, writeSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder, tinyModelFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'
import { codec, initialWeights, TINY_CONFIG } from '../../../testing/tiny-model.ts'

const weights = initialWeights(1)
const hub = { cacheFolder: '/nonexistent' }

test('what is saved opens again as it was', () => {
  const folder = tinyModelFolder()
  const { weights: back, config, codec: opened, model } = openFolder(folder)
  assert.deepEqual(config, { ...TINY_CONFIG, torch_dtype: 'float32' })
  for (const [name, { data }] of weights)
    assert.ok(
      data.every((x, i) => x === back.get(name)!.data[i]),
      name,
    )
  assert.deepEqual(opened.encode('Tom has 12 apples.'), codec.encode('Tom has 12 apples.'))
  assert.equal(model.contextLength, 512)

  const again = temporaryFolder()
  saveFolder(again, { ...openFolder(folder), dtype: 'F16' })
  const half = openFolder(again)
  assert.equal(half.config.torch_dtype, 'float16')
  for (const [name, { data }] of weights) {
    const stored = half.weights.get(name)!.data
    assert.ok(
      data.every((x, i) => Math.abs(x - stored[i]!) <= Math.abs(x) / 1024 + 1e-7),
      name,
    )
  }
})

test('a config is written as it was read: a float stays one, a whole number stays whole', () => {
  const folder = tinyModelFolder({
    config: { ...TINY_CONFIG, extra: { factor: 8, list: [1, 2.5], whole: 3 }, rope_theta: 10_000 },
    floats: new Set(['factor', 'list', 'rope_theta']),
  })
  const again = temporaryFolder()
  saveFolder(again, { ...openFolder(folder), dtype: 'F32' })
  for (const path of [folder, again]) {
    const text = readFileSync(join(path, 'config.json'), 'utf8')
    assert.match(text, /"rope_theta": 10000\.0,/)
    assert.match(text, /"factor": 8\.0,\s+"list": \[\s+1\.0,\s+2\.5\s+\],\s+"whole": 3\s/)
    assert.match(text, /"vocab_size": 1024,/)
  }
})

test('a stored copy of a tied head is left alone; a head of its own is taken, as transformers does', () => {
  const embedding = weights.get('model.embed_tokens.weight')!
  const withHead = (head: typeof embedding) => {
    const folder = tinyModelFolder()
    writeSafetensors(join(folder, 'model.safetensors'), new Map([...weights, ['lm_head.weight', head]]))
    return openFolder(folder)
  }
  const copy = withHead(embedding)
  assert.equal(copy.model.head, 'model.embed_tokens.weight')
  assert.equal(copy.weights.has('lm_head.weight'), false)

  const other = withHead({ ...embedding, data: embedding.data.map((x, i) => (i === 7 ? x + 1 : x)) })
  assert.equal(other.model.head, 'lm_head.weight')
  assert.equal(other.weights.get('lm_head.weight')!.data[7], Math.fround(embedding.data[7]! + 1))
  assert.equal(other.config.tie_word_embeddings, false)
})

test('the chat template may lie in a file of its own, or be one of several', () => {
  const folder = tinyModelFolder()
  writeFileSync(join(folder, 'chat_template.jinja'), '<{{ messages[0].content }}>')
  assert.equal(openFolder(folder).codec.renderChat([{ role: 'user', content: 'x' }]), '<x>')
  const { tokenizer, config } = tinyTokenizer()
  const chat_template = [
    { name: 'tool_use', template: 'tools' },
    { name: 'default', template: 'plain {{ messages[0].content }}' },
  ]
  const several = openFolder(tinyModelFolder({ tokenizer: { tokenizer, config: { ...config, chat_template } } }))
  assert.equal(several.codec.renderChat([{ role: 'user', content: 'x' }]), 'plain x')
})

test('refuses a folder that does not hold together, naming file and tensor', () => {
  const refused = (change: (folder: string) => void, code: string, message: RegExp) => {
    const folder = tinyModelFolder()
    change(folder)
    assert.throws(() => openFolder(folder), { code, message })
  }
  const rewrite = (folder: string, change: (tensors: ReturnType<typeof readSafetensors>) => void) => {
    const path = join(folder, 'model.safetensors')
    const tensors = readSafetensors(path)
    change(tensors)
    writeSafetensors(path, tensors)
  }
  const config = (change: object) => (folder: string) =>
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...TINY_CONFIG, ...change }))
  const remove = (name: string) => (folder: string) => rmSync(join(folder, name))
  const name = 'model.layers.1.mlp.up_proj.weight'

  refused(remove('config.json'), 'corrupt_model', /config\.json is missing; a model folder holds/)
  refused(remove('model.safetensors'), 'corrupt_model', /holds neither model\.safetensors nor/)
  refused(remove('tokenizer.json'), 'corrupt_model', /tokenizer\.json is missing; save the tokenizer/)
  refused((f) => appendFileSync(join(f, 'config.json'), '}'), 'corrupt_model', /config\.json is not JSON/)
  refused((f) => writeFileSync(join(f, 'config.json'), '[]'), 'corrupt_model', /config\.json is not a JSON object/)
  refused(
    (f) => writeFileSync(join(f, 'tokenizer.json'), '{"model":{}}'),
    'corrupt_model',
    /its tokenizer cannot be used/,
  )
  refused(config({ model_type: 'bert' }), 'unsupported_model', /model_type "bert" is not supported/)
  refused(config({ hidden_act: 'mish' }), 'unsupported_model', /hidden_act/)
  refused(
    config({ vocab_size: 1000 }),
    'corrupt_model',
    /model\.embed_tokens\.weight has shape \[1024,128\], but the model's config calls for \[1000,128\]/,
  )
  refused(
    (f) => rewrite(f, (t) => t.delete(name)),
    'corrupt_model',
    /tensor model\.layers\.1\.mlp\.up_proj\.weight is missing/,
  )
  for (const bad of [NaN, Infinity, -Infinity])
    refused(
      (f) => rewrite(f, (t) => (t.get(name)!.data[7] = bad)),
      'corrupt_model',
      new RegExp(`up_proj\\.weight holds ${bad} at element 7`),
    )
})

test('opens with a tokenizer that knows more tokens than the model, and refuses those where they are used', () => {
  const small = { ...TINY_CONFIG, vocab_size: 1023 }
  const cut = new Map(weights)
  const embedding = weights.get('model.embed_tokens.weight')!
  cut.set('model.embed_tokens.weight', { shape: [1023, 128], data: embedding.data.slice(0, 1023 * 128) })
  const folder = tinyModelFolder({ config: small, weights: cut })
  const text = codec.decode([1023])
  const opened = openFolder(folder).codec
  assert.deepEqual([codec.largestId, opened.largestId], [1023, 1022])
  assert.throws(() => opened.encode(text), {
    code: 'invalid_request',
    message: /\(id 1023\), for which the model has no/,
  })
})

test('local paths must lie in a folder that the operator allows', async () => {
  const folder = tinyModelFolder()
  const root = temporaryFolder()
  const open = (path: string, roots: string[]) => openModel({ type: 'local', path }, { roots, hub })
  assert.equal((await open(folder, [dirname(folder)])).model.layers, 4)
  assert.equal((await open(folder, [root, folder])).model.layers, 4)
  const outside = { code: 'unavailable_here', message: /outside the folders that this worker's operator allows/ }
  await assert.rejects(open(folder, [root]), outside)
  await assert.rejects(open(folder, []), outside)
  await assert.rejects(open(join(root, '..'), [root]), outside)
  // The beginning of a name is no folder, and a link leads where it leads.
  await assert.rejects(open(`${root}-other`, [root]), outside)
  symlinkSync(folder, join(root, 'link'))
  await assert.rejects(open(join(root, 'link'), [root]), outside)
  assert.equal((await open(join(root, 'link'), [root, folder])).model.layers, 4)
  await assert.rejects(open(join(root, 'gone'), [root]), { code: 'not_found', message: /no model at/ })
})

test('a file is opened by its ending', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'model.bin'), readFileSync(new URL(import.meta.url)))
  assert.throws(() => openPath(join(folder, 'model.bin')), {
    code: 'unsupported_model',
    message: /neither a folder nor a \.gguf/,
  })
})

test('a stranger’s job gets neither folders nor token, nor the cache that the token filled', () => {
  const own = { roots: ['/models'], hub: { cacheFolder: '/cache/hub', token: 'hf_operator', endpoint: 'https://hub' } }
  assert.equal(sourcesFor({ tenant: 'default', trusted: true }, own), own)
  assert.deepEqual(sourcesFor({ tenant: 'acme', trusted: false }, own), {
    roots: [],
    hub: { cacheFolder: '/cache/hub-public', token: undefined, endpoint: 'https://hub' },
    stranger: 'acme',
  })
  assert.deepEqual([tenantsIn(undefined), tenantsIn(' a, b,,')], [[], ['a', 'b']])
})
