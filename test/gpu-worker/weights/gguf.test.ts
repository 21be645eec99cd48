import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BLOCK_TYPES } from '../../../src/gpu-worker/weights/gguf-types.ts'
import { readGguf } from '../../../src/gpu-worker/weights/gguf.ts'
import { readSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'
import { f32Tensor, writeGguf, type GgufMetadata, type GgufTensor } from '../../../testing/write-gguf.ts'

const file = (metadata: GgufMetadata, tensors: Record<string, GgufTensor>): string => {
  const path = join(temporaryFolder(), 'model.gguf')
  writeGguf(path, metadata, tensors)
  return path
}
const read = (tensor: GgufTensor) => readGguf(file({}, { x: tensor })).tensors.get('x')!

/** Half precision, for numbers that have it exactly: sign, exponent + 15, ten bits of fraction. */
const HALVES = { 0.5: 0x3800, 2: 0x4000, '-1.5': 0xbe00 } as const
const half = (value: keyof typeof HALVES) => [HALVES[value] & 255, HALVES[value] >> 8]

test('reads metadata of every kind', () => {
  const metadata = { a: 7, b: 0.5, c: true, d: 'é text', e: ['x', 'yy', ''], f: [1, 2, 3], g: [] }
  assert.deepEqual(Object.fromEntries(readGguf(file(metadata, {})).metadata), metadata)
})

test('reads tensors with the slowest dimension first', () => {
  const { shape, data } = read(f32Tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)))
  assert.deepEqual(
    [shape, [...data]],
    [
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ],
  )
})

test('reads half precision and bfloat16', () => {
  const f16 = read({ shape: [3], type: 1, bytes: Uint8Array.from([...half(0.5), ...half(2), ...half('-1.5')]) })
  assert.deepEqual([...f16.data], [0.5, 2, -1.5])
  // 1 and −2 in single precision are 0x3f800000 and 0xc0000000.
  const bf16 = read({ shape: [2], type: 30, bytes: Uint8Array.of(0x80, 0x3f, 0x00, 0xc0) })
  assert.deepEqual([...bf16.data], [1, -2])
})

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/gguf/${name}`, import.meta.url))
const quantised = readGguf(fixture('quantised.gguf')).tensors
const expected = readSafetensors(fixture('expected.safetensors'))

test('there is a fixture of every type', () => {
  assert.deepEqual([...expected.keys()].sort(), Object.keys(BLOCK_TYPES).sort())
})

for (const [name, { shape, data }] of expected) {
  test(`dequantises ${name} to the bit as the reference does`, () => {
    const ours = quantised.get(name)!
    assert.deepEqual(ours.shape, shape)
    // By bits, where NaN would equal itself; but 0 and −0 are the same number.
    const bits = (values: Float32Array) => new Uint32Array(values.map((x) => x + 0).buffer)
    assert.deepEqual(bits(ours.data), bits(data))
    assert.ok(new Set(data).size > 5, 'the fixture says little')
  })
}

test('refuses types, versions and files it cannot read, naming file and tensor', () => {
  const refused = (path: string, code: string, message: RegExp) =>
    assert.throws(
      () => readGguf(path),
      (error: Error) => {
        assert.equal((error as Error & { code: string }).code, code)
        assert.match(error.message, message)
        return true
      },
    )
  const other = (type: number) => file({}, { w: { shape: [256], type, bytes: new Uint8Array(210) } })
  refused(other(11), 'unsupported_model', /model\.gguf: tensor w has type Q3_K; known are F32, F16, BF16, Q4_0/)
  refused(other(99), 'unsupported_model', /tensor w has type number 99/)
  refused(file({}, { w: { shape: [2, 33], type: 3, bytes: new Uint8Array(80) } }), 'corrupt_model', /rows of 33/)

  const changed = (at: number, bytes: number[]) => {
    const path = file({ key: 'value' }, { w: f32Tensor([8], new Float32Array(8)) })
    const content = readFileSync(path)
    content.set(bytes, at)
    writeFileSync(path, content)
    return path
  }
  refused(changed(0, [0x50, 0x4b]), 'corrupt_model', /does not begin with GGUF/)
  refused(changed(4, [1]), 'unsupported_model', /version 1/)
  // A number of tensors, a key's length and a value's type that cannot be.
  refused(changed(14, [255]), 'corrupt_model', /the tensor count is .* more than the file could hold/)
  refused(changed(29, [255]), 'corrupt_model', /length of key 0/)
  refused(changed(35, [77]), 'corrupt_model', /key has the unknown value type 77/)
})

test('a file cut short anywhere is refused, never read wrong', () => {
  const path = file(
    { list: ['a', 'b'], n: 3 },
    { first: f32Tensor([4], new Float32Array(4)), w: f32Tensor([8], new Float32Array(8)) },
  )
  const whole = readFileSync(path)
  for (let size = whole.length - 1; size >= 0; size -= 7) {
    writeFileSync(path, whole)
    truncateSync(path, size)
    assert.throws(() => readGguf(path), { code: 'corrupt_model', message: /^model\.gguf: / }, `at ${size}`)
  }
  writeFileSync(path, whole.subarray(0, whole.length - 1))
  assert.throws(() => readGguf(path), { message: /tensor w reaches past the end of the file/ })
})
