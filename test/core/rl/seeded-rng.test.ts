import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng, type RngState } from '../../../src/core/rl/seeded-rng.ts'

test('gives the published xoshiro128++ sequence', () => {
  // From state {1, 2, 3, 4}, as the reference C code prints it (also the test vector of Rust's rand_xoshiro).
  const expected = [
    641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295, 495546011, 621204420,
  ]
  const rng = SeededRng.restore([1, 2, 3, 4])
  assert.deepEqual(
    Array.from({ length: 10 }, () => rng.uint32()),
    expected,
  )
})

test('a restored generator goes on with the same numbers, through JSON', () => {
  const rng = new SeededRng(7)
  for (let i = 0; i < 1000; i++) rng.uniform()
  const copy = SeededRng.restore(JSON.parse(JSON.stringify(rng.state())) as RngState)
  const draw = (from: SeededRng) => Array.from({ length: 50 }, () => from.uniform())
  assert.deepEqual(draw(copy), draw(rng))
})

test('seeds and paths name different streams; the same path the same one', () => {
  const first = (rng: SeededRng) => rng.uint32()
  const streams = [
    new SeededRng(1),
    new SeededRng(2),
    new SeededRng('1'),
    new SeededRng(1, 'a'),
    new SeededRng(1, 'a', 0),
    new SeededRng(1, 'a', 1),
    new SeededRng(1, 'a1'),
  ]
  assert.equal(new Set(streams.map(first)).size, streams.length)
  assert.equal(first(new SeededRng(1, 'a', 1)), first(new SeededRng(1, 'a', 1)))
})

test('is uniform on [0, 1): moments and a χ² over 100 cells', () => {
  const rng = new SeededRng(11)
  const n = 200_000
  const cells = new Array<number>(100).fill(0)
  let sum = 0
  for (let i = 0; i < n; i++) {
    const u = rng.uniform()
    assert.ok(u >= 0 && u < 1)
    sum += u
    cells[Math.floor(u * 100)]!++
  }
  assert.ok(Math.abs(sum / n - 0.5) < 4 / Math.sqrt(12 * n))
  const chi2 = cells.reduce((total, count) => total + (count - n / 100) ** 2 / (n / 100), 0)
  assert.ok(chi2 > 50 && chi2 < 165, `χ² ${chi2} with 99 degrees of freedom`)
})

test('neighbouring seeds are not alike', () => {
  const firsts = Array.from({ length: 1000 }, (_, seed) => new SeededRng(seed).uniform())
  const below = firsts.filter((u) => u < 0.5).length
  assert.ok(below > 430 && below < 570)
  assert.equal(new Set(firsts).size, 1000)
})

test('refuses a state that is none', () => {
  for (const state of [
    [0, 0, 0, 0],
    [1, 2, 3],
    [1, 2, 3, -4],
    [1, 2, 3, 0.5],
    [1, 2, 3, 2 ** 32],
  ]) {
    assert.throws(() => SeededRng.restore(state as RngState), RangeError)
  }
})
