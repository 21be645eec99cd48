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

/**
 * Recorded from our own seeding, and got again by another implementation of it (in Python, on UTF-16 code units): no one
 * has published it. They freeze what runs depend on: the same seed must give the same numbers for ever.
 */
const STREAMS: {
  path: [number | string, ...(number | string)[]]
  state: RngState
  first: number[]
  uniform: number
}[] = [
  {
    path: [0],
    state: [2744783118, 4129784596, 185618652, 2000216000],
    first: [219314203, 3632152296],
    uniform: 0.051063067061277834,
  },
  {
    path: [7],
    state: [2351532893, 4100217083, 2056609513, 523903709],
    first: [1040230578, 202136616],
    uniform: 0.24219755118387631,
  },
  {
    path: ['seed'],
    state: [677922847, 2716117205, 4279169366, 2595829279],
    first: [3106367360, 692727381],
    uniform: 0.7232575130558622,
  },
  {
    path: [1, 'rollout', 3],
    state: [3938281000, 2702823995, 2725575489, 1959063472],
    first: [2884129367, 3854402615],
    uniform: 0.6715136982308554,
  },
  // Code units above 255, and a pair of them that is one character.
  {
    path: [-5, '数据', 'Ω'],
    state: [1393965329, 1357205488, 1224223079, 540130009],
    first: [4145032778, 3654200221],
    uniform: 0.9650906536788477,
  },
  {
    path: [42, '😀'],
    state: [2854674680, 2687752547, 3869467131, 3335815066],
    first: [668412464, 3377062405],
    uniform: 0.1556269063523681,
  },
  {
    path: [1234567890, 'lora', 'model.layers.0.self_attn.q_proj.lora_A.weight'],
    state: [726017014, 4009803622, 2764964803, 191597554],
    first: [2216564753, 940333558],
    uniform: 0.5160841958145682,
  },
]

test('a seed and its path give the numbers that they always gave', () => {
  for (const { path, state, first, uniform } of STREAMS) {
    const rng = new SeededRng(...path)
    assert.deepEqual(rng.state(), state, `${path}`)
    assert.deepEqual([rng.uint32(), rng.uint32()], first, `${path}`)
    assert.equal(new SeededRng(...path).uniform(), uniform, `${path}`)
  }
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
