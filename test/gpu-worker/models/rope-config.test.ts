import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotaryOf, rotarySpec, type RopeScaling } from '../../../src/gpu-worker/models/rope-config.ts'
import { assertClose } from '../../helpers/close.ts'

/** As transformers 5.23 has them: ROPE_INIT_FUNCTIONS of a Llama config with heads of 8 and a context of 64. */
const CASES: [settings: RopeScaling, frequencies: number[], magnitude: number][] = [
  [{}, [1, 0.1, 0.01, 0.001], 1],
  [{ rope_type: 'linear', factor: 4 }, [0.25, 0.025, 0.0025, 0.00025], 1],
  [
    { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 },
    [1, 0.013042256236076355, 0.0012499999720603228, 0.0001250000059371814],
    1,
  ],
  [
    { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 },
    [1, 0.07499999552965164, 0.004999999888241291, 0.0002500000118743628],
    1.138629436111989,
  ],
  [
    {
      ...{ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 },
      ...{ beta_fast: 8, beta_slow: 0.5, truncate: false, mscale: 1, mscale_all_dim: 0.5 },
    },
    [1, 0.10000000149011612, 0.005696214269846678, 0.0002500000118743628],
    1.0648216253695715,
  ],
  [
    {
      ...{ type: 'longrope', original_max_position_embeddings: 16 },
      ...{ short_factor: [1, 1.1, 1.2, 1.3], long_factor: [2, 3, 4, 5] },
    },
    [1, 0.09090909361839294, 0.00833333283662796, 0.0007692307699471712],
    1.224744871391589,
  ],
]

const HEAD = { headSize: 8, contextLength: 64 }

for (const [settings, frequencies, magnitude] of CASES) {
  test(`${JSON.stringify(settings)} is as transformers has it`, () => {
    const spec = rotaryOf(settings, HEAD)
    assertClose(spec.frequencies, frequencies, 1e-8)
    assertClose([spec.magnitude ?? 1], [magnitude], 1e-12)
  })
}

test('long texts have frequencies of their own, and none where the context is no longer', () => {
  const settings = { type: 'su', short_factor: [1, 1, 1, 1], long_factor: [2, 3, 4, 5] }
  const { inLongTexts } = rotaryOf({ ...settings, original_max_position_embeddings: 16 }, HEAD)
  assert.equal(inLongTexts?.above, 16)
  assertClose(
    inLongTexts && 'frequencies' in inLongTexts ? inLongTexts.frequencies : [],
    [0.5, 0.1 / 3, 0.0025, 0.0002],
    1e-8,
  )
  assert.equal(rotaryOf({ ...settings, original_max_position_embeddings: 64 }, HEAD).inLongTexts, undefined)
  assert.deepEqual(rotaryOf({ rope_type: 'dynamic', factor: 2 }, HEAD).inLongTexts, { above: 64, factor: 2 })
})

test('settings are found in either style, by kind of layer, and the newer style rules', () => {
  const plain = [1, 0.1, 0.01, 0.001]
  const halved = plain.map((f) => f / 2)
  const linear = { rope_type: 'linear', factor: 2 }
  const of = (config: Parameters<typeof rotarySpec>[0], layerType?: 'sliding_attention') =>
    rotarySpec(config, { ...HEAD, ...(layerType ? { layerType } : {}) }).frequencies
  assertClose(of({ rope_scaling: linear, rope_theta: 10_000 }), halved, 1e-8)
  assertClose(of({ rope_parameters: { ...linear, rope_theta: 10_000 }, rope_theta: 5 }), halved, 1e-8)
  const both = { rope_parameters: { full_attention: linear, sliding_attention: { rope_type: 'default' } } }
  assertClose(of(both), halved, 1e-8)
  assertClose(of(both, 'sliding_attention'), plain, 1e-8)
  assertClose(of({ partial_rotary_factor: 0.5 }), [1, 0.01], 1e-8)
  assertClose(of({ rope_scaling: null, rope_theta: null }), plain, 1e-8)
})

test('a theta of its own, and the share of a head that is turned, where the config says nothing', () => {
  assertClose(rotarySpec({}, { ...HEAD, theta: 16, partial: 0.5 }).frequencies, [1, 0.25], 1e-8)
  assert.equal(rotarySpec({}, { ...HEAD, interleaved: true }).interleaved, true)
})

for (const [name, settings, said] of [
  ['a kind that is not known', { rope_type: 'spiral' }, /"spiral" is not supported; known are default, linear, llama3/],
  ['a name of an object', { rope_type: 'toString' }, /"toString" is not supported/],
  ['a factor of 0', { rope_type: 'linear', factor: 0 }, /factor: 0 is not above 0/],
  [
    'a list of another length',
    { type: 'longrope', short_factor: [1], long_factor: [1] },
    /long_factor has 1 numbers, but 4/,
  ],
  ['an odd share', { partial_rotary_factor: 0.4 }, /heads of 8 numbers 3 would be turned/],
  ['no share', { partial_rotary_factor: 0 }, /0 would be turned/],
  [
    'no original context',
    { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 0 },
    /original_max_position_embeddings: 0 is not above 0/,
  ],
  [
    'numbers that are none',
    { rope_type: 'longrope', short_factor: [1, 1, 1, 0], long_factor: [1, 1, 1, 1] },
    /angles that are no/,
  ],
] satisfies [string, RopeScaling, RegExp][]) {
  test(`${name} is refused`, () => {
    assert.throws(() => rotaryOf(settings, HEAD), said)
  })
}
