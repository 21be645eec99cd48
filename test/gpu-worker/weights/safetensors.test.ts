import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSafetensors, writeSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { readWeightFiles } from '../../../src/gpu-worker/weights/weight-files.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

const folder = temporaryFolder()
const path = join(folder, 'model.safetensors')
const tensors = new Map([
  ['b', { shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 65504) }],
  ['a', { shape: [3], data: Float32Array.of(0.25, 3, -0.125) }],
])

/** A file by the format's description: length of the header, header, bytes. */
function byHand(header: unknown, data: Uint8Array): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = join(temporaryFolder(), 'model.safetensors')
  writeFileSync(file, Buffer.concat([length, text, data]))
  return file
}

for (const dtype of ['F32', 'F16'] as const) {
  test(`reads back what it wrote in ${dtype}, whatever the order of the tensors`, () => {
    writeSafetensors(path, tensors, dtype)
    const bytes = readFileSync(path)
    const back = readSafetensors(path)
    for (const [name, { shape, data }] of tensors) {
      assert.deepEqual(back.get(name)!.shape, shape)
      assert.deepEqual([...back.get(name)!.data], [...data])
    }
    writeSafetensors(path, new Map([...tensors].reverse()), dtype)
    assert.deepEqual(readFileSync(path), bytes)
  })
}

test('reads bfloat16, at odd offsets too, and only the tensors asked for', () => {
  const header = {
    __metadata__: { format: 'pt' },
    odd: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
    x: { dtype: 'BF16', shape: [2], data_offsets: [1, 5] },
  }
  const file = byHand(header, Uint8Array.of(9, 0x80, 0x3f, 0x00, 0xc0))
  const read = readSafetensors(file, new Set(['x']))
  assert.deepEqual([...read.keys()], ['x'])
  assert.deepEqual([...read.get('x')!.data], [1, -2])
})

test('refuses files that do not hold together, naming file and tensor', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
  const cases: [unknown, number, RegExp][] = [
    ['{"x":', 8, /header is not JSON/],
    [{ x: 5 }, 8, /wrong at x/],
    [{ x: { ...entry, shape: [-2] } }, 8, /wrong at x\.shape/],
    [{ x: { ...entry, data_offsets: [0, 1e99] } }, 8, /wrong at x\.data_offsets/],
    [{ x: { ...entry, shape: [3] } }, 8, /tensor x has 8 bytes, but its shape \[3\] needs 12/],
    [{ x: entry }, 7, /tensor x reaches past the end of the file/],
    [{ x: { ...entry, data_offsets: [8, 0] } }, 8, /tensor x ends before it begins/],
  ]
  for (const [header, size, message] of cases) {
    const file = byHand(header, new Uint8Array(size))
    assert.throws(() => readSafetensors(file), { code: 'corrupt_model', message }, JSON.stringify(header))
  }
  const unknown = byHand({ x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8))
  assert.throws(() => readSafetensors(unknown), { code: 'unsupported_model', message: /tensor x has type I64/ })
  writeFileSync(path, Buffer.from([255, 255, 0, 0, 0, 0, 0, 0]))
  assert.throws(() => readSafetensors(path), { message: /header is longer than the file/ })
})

test('reads the shards that an index lists', () => {
  const shards = temporaryFolder()
  const [b, a] = [...tensors]
  writeSafetensors(join(shards, 'model-00001-of-00002.safetensors'), new Map([b!]))
  writeSafetensors(join(shards, 'model-00002-of-00002.safetensors'), new Map([a!]))
  const index = (weight_map: object) =>
    writeFileSync(join(shards, 'model.safetensors.index.json'), JSON.stringify({ weight_map }))
  index({ b: 'model-00001-of-00002.safetensors', a: 'model-00002-of-00002.safetensors' })
  const names = new Set(['a', 'b'])
  assert.deepEqual([...readWeightFiles(shards, names).keys()].sort(), ['a', 'b'])
  index({ b: 'model-00003-of-00003.safetensors' })
  assert.throws(() => readWeightFiles(shards, names), { code: 'corrupt_model', message: /model-00003.* is missing/ })
  index({ b: '../elsewhere.safetensors' })
  assert.throws(() => readWeightFiles(shards, names), { code: 'corrupt_model', message: /not an index of shards/ })
  assert.throws(() => readWeightFiles(temporaryFolder(), names), { message: /holds neither model\.safetensors nor/ })
})
