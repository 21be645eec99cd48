import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { readGguf } from '../../../src/gpu-worker/weights/gguf.ts'
import { quantiseQ8, type Q8Matrix } from '../../../src/gpu-worker/weights/q8-matrix.ts'
import { build } from '../../helpers/nd-array.ts'

const fixture = (name: string) =>
  readGguf(fileURLToPath(new URL(`../../fixtures/gguf/${name}.gguf`, import.meta.url))).tensors
const dequantised = ({ bytes, scales }: Q8Matrix) =>
  Float32Array.from(bytes, (byte, i) => scales[Math.floor(i / 32)]! * (byte - 128) + 0)
const shapeOf = ({ shape: [rows, columns] }: { shape: readonly number[] }) => ({ rows: rows!, columns: columns! })

const rng = new SeededRng('q8')
const size = { rows: 6, columns: 96 }
/** Blocks of every size that half precision has a normal scale for. */
const { data } = build(
  [size.rows, size.columns],
  (r, c) => (rng.uniform() - 0.5) * 10 ** ((r + Math.floor(c / 32)) % 5),
)
const values = Float32Array.from(data)

test('rounds as the reference quantiser does', () => {
  const [given, rounded] = ['values', 'rounded'].map((name) => fixture('rounded').get(name)!)
  const ours = dequantised(quantiseQ8(given!.data, shapeOf(given!)))
  assert.deepEqual(
    ours,
    rounded!.data.map((x) => x + 0),
  ) // 0 and −0 are the same number
})

test('what has been rounded comes out to the bit', () => {
  const once = quantiseQ8(values, size)
  assert.deepEqual(quantiseQ8(dequantised(once), size), once)
})

test('a number is wrong by at most half its scale, and what the scale in half precision adds', () => {
  const q = quantiseQ8(values, size)
  const found = dequantised(q)
  values.forEach((x, i) => {
    const scale = q.scales[Math.floor(i / 32)]!
    // The scale is off by 2⁻¹¹ of itself at most, and 127 times that is the most it can shift a number.
    const bound = scale * (0.5 + 127 * 2 ** -11) * (1 + 1e-3)
    assert.ok(Math.abs(found[i]! - x) <= bound, `${x} became ${found[i]}`)
  })
})

test('a matrix that lies the other way round gives the same', () => {
  const { rows, columns } = size
  const turned = Float32Array.from(build([columns, rows], (c, r) => values[r * columns + c]!).data)
  assert.deepEqual(quantiseQ8(turned, { rows, columns, transposed: true }), quantiseQ8(values, size))
})

test('weights too large for half-precision scales are refused', () => {
  const large = Float32Array.from({ length: 32 }, () => 1e7)
  assert.throws(() => quantiseQ8(large, { rows: 1, columns: 32 }), { code: 'unsupported_model', message: /float32/ })
})
