import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openFolder, saveFolder } from '../../../src/gpu-worker/models/source.ts'
import { hasWeights, readShards, splitIntoShards, writeShards } from '../../../src/gpu-worker/weights/weight-files.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const tensors = (sizes: Record<string, number>) =>
  new Map(
    Object.entries(sizes).map(([name, count], k) => [
      name,
      { shape: [count], data: Float32Array.from({ length: count }, (_, i) => k + i / 8) },
    ]),
  )
const SIZES = { e: 10, a: 3, d: 4, c: 30, b: 2, f: 5 }
const hashes = (folder: string) =>
  readdirSync(folder).map((name) => [name, createHash('sha256').update(readFileSync(join(folder, name))).digest('hex')]) // prettier-ignore

describe('splitIntoShards', () => {
  test('fills one file after the other in order of name; what is larger than one is by itself', () => {
    // As split_torch_state_dict_into_shards of huggingface_hub 1.0 has them, for max_shard_size 40.
    assert.deepEqual(splitIntoShards(tensors(SIZES), 'F32', 40), [['c'], ['a', 'b', 'd'], ['e'], ['f']])
    assert.deepEqual(splitIntoShards(tensors(SIZES), 'F16', 40), [['c'], ['a', 'b', 'd', 'e'], ['f']])
    assert.deepEqual(splitIntoShards(tensors(SIZES), 'F32', 1e9), [['a', 'b', 'c', 'd', 'e', 'f']])
    assert.deepEqual(splitIntoShards(new Map(), 'F32', 40), [])
  })
})

describe('writeShards', () => {
  test('writes the files and the index that save_pretrained writes, and reads them back', () => {
    const folder = temporaryFolder()
    const path = join(folder, 'model.safetensors')
    writeShards(path, tensors(SIZES), { shardBytes: 40 })
    const names = [1, 2, 3, 4].map((n) => `model-0000${n}-of-00004.safetensors`)
    assert.deepEqual(readdirSync(folder), [...names, 'model.safetensors.index.json'])
    const index = readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8')
    const map = { a: names[1], b: names[1], c: names[0], d: names[1], e: names[2], f: names[3] }
    const expected = { metadata: { total_parameters: 54, total_size: 216 }, weight_map: map }
    assert.equal(index, `${JSON.stringify(expected, null, 2)}\n`)
    assert.deepEqual(readShards(path), new Map([...tensors(SIZES)].sort(([a], [b]) => (map[a as 'a']! < map[b as 'a']! ? -1 : map[a as 'a'] === map[b as 'a'] && a < b ? -1 : 1)))) // prettier-ignore
    assert.deepEqual([...readShards(path, new Set(['c', 'f'])).keys()], ['c', 'f'])
    assert.ok(hasWeights(folder))
  })

  test('gives the same bytes for the same tensors, in whatever order they come', () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()]
    writeShards(join(one, 'model.safetensors'), tensors(SIZES), { shardBytes: 40 })
    writeShards(join(other, 'model.safetensors'), new Map([...tensors(SIZES)].reverse()), { shardBytes: 40 })
    assert.deepEqual(hashes(one), hashes(other))
  })

  test('writes one file without an index where that is enough', () => {
    const folder = temporaryFolder()
    writeShards(join(folder, 'optimizer.safetensors'), tensors(SIZES))
    assert.deepEqual(readdirSync(folder), ['optimizer.safetensors'])
    assert.ok(!hasWeights(folder))
  })
})

test('a model in shards opens with the same weights; a shard that is gone or cut short is named', () => {
  const whole = openFolder(tinyModelFolder())
  const folder = tinyModelFolder()
  rmSync(join(folder, 'model.safetensors'))
  const { config, floats, weights, tokenizer } = whole
  saveFolder(folder, { config, floats, weights, tokenizer, dtype: 'F32', shardBytes: 20_000 })
  const shards = readdirSync(folder).filter((name) => /^model-\d/.test(name))
  assert.ok(shards.length > 3)
  assert.ok(shards.every((name) => statSync(join(folder, name)).size > 100))
  const opened = openFolder(folder)
  for (const [name, { data, shape }] of whole.weights) {
    assert.deepEqual(opened.weights.get(name)!.shape, shape)
    assert.deepEqual(opened.weights.get(name)!.data, data)
  }
  const path = join(folder, shards[1]!)
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, bytes.length - 4))
  assert.throws(() => openFolder(folder), { code: 'corrupt_model', message: new RegExp(shards[1]!) })
  rmSync(path)
  assert.throws(() => openFolder(folder), { code: 'corrupt_model', message: /is missing, though model\.safetensors\.index\.json lists it/ }) // prettier-ignore
})
