import * as v from 'valibot'
import type { LongTextRotation, RotarySpec } from '../graph/rotary.ts'

const Factor = v.nullish(v.number())
const Factors = v.nullish(v.pipe(v.array(v.number()), v.maxLength(4096)))

/** Rotary settings of a kind, as `config.json` has them. */
export const RopeScaling = v.object({
  rope_type: v.nullish(v.string()),
  /** The older name of it. */
  type: v.nullish(v.string()),
  rope_theta: Factor,
  partial_rotary_factor: Factor,
  factor: Factor,
  original_max_position_embeddings: Factor,
  low_freq_factor: Factor,
  high_freq_factor: Factor,
  attention_factor: Factor,
  beta_fast: Factor,
  beta_slow: Factor,
  mscale: Factor,
  mscale_all_dim: Factor,
  truncate: v.nullish(v.boolean()),
  short_factor: Factors,
  long_factor: Factors,
  alpha: Factor,
  llama_4_scaling_beta: Factor,
})

export type RopeScaling = v.InferOutput<typeof RopeScaling>

/** Settings by kind of layer, as transformers 5 writes them where kinds differ. */
const RopeByLayerType = v.object({
  full_attention: RopeScaling,
  sliding_attention: v.optional(RopeScaling),
})

/** Rotary settings as `config.json` has them: `rope_parameters` (transformers 5) or `rope_theta` with `rope_scaling`. */
export const RopeFields = {
  rope_theta: Factor,
  rope_scaling: v.nullish(RopeScaling),
  rope_parameters: v.nullish(v.union([RopeByLayerType, RopeScaling])),
  partial_rotary_factor: Factor,
  original_max_position_embeddings: Factor,
  max_position_embeddings: v.nullish(v.number()),
}

export type RopeConfig = v.InferOutput<v.ObjectSchema<typeof RopeFields, undefined>>

export interface RopeDefaults {
  headSize: number
  contextLength: number
  /** Where the config has none. */
  theta?: number
  partial?: number
  /** Pairs are neighbours. */
  interleaved?: boolean
  /** Whose settings are wanted, where kinds of layers have their own. */
  layerType?: 'full_attention' | 'sliding_attention'
}

/** The settings of one kind of layer, wherever the config has them. */
export function ropeSettings(config: RopeConfig, layerType: RopeDefaults['layerType'] = 'full_attention'): RopeScaling {
  const { rope_parameters: parameters } = config
  const own = parameters && 'full_attention' in parameters ? parameters[layerType] : parameters
  return {
    ...withoutNulls({
      rope_theta: config.rope_theta,
      partial_rotary_factor: config.partial_rotary_factor,
      original_max_position_embeddings: config.original_max_position_embeddings,
    }),
    ...withoutNulls(own ?? config.rope_scaling ?? {}),
  }
}

const withoutNulls = (settings: RopeScaling): RopeScaling =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null && value !== undefined))

/** What a scaling starts from. */
interface Plain {
  /** f_i = theta^(−2i/width), single precision. */
  frequencies: number[]
  theta: number
  /** d: how many of a head's numbers are turned. */
  width: number
  /** D */
  headSize: number
  /** L */
  contextLength: number
  /** L0 */
  originalContext: number
}

type Scaled = Pick<RotarySpec, 'frequencies' | 'magnitude' | 'inLongTexts'>

/** Kinds of scaling, by name; the formulas are transformers' (modeling_rope_utils). */
const SCALINGS = {
  default: ({ frequencies }) => ({ frequencies }),
  linear: ({ frequencies }, { factor }) => ({ frequencies: frequencies.map((f) => Math.fround(f / (factor ?? 1))) }),
  llama3,
  dynamic,
  yarn,
  longrope,
  su: longrope,
} satisfies Record<string, (plain: Plain, settings: RopeScaling) => Scaled>

/** Throws for a scaling the engine does not know, naming it, and for settings that give no angles. */
export function rotarySpec(config: RopeConfig, defaults: RopeDefaults): RotarySpec {
  return rotaryOf(ropeSettings(config, defaults.layerType), defaults)
}

export function rotaryOf(settings: RopeScaling, defaults: RopeDefaults): RotarySpec {
  const { headSize, contextLength, interleaved } = defaults
  const kind = settings.rope_type ?? settings.type ?? 'default'
  if (!Object.hasOwn(SCALINGS, kind))
    throw new Error(`rotary scaling "${kind}" is not supported; known are ${Object.keys(SCALINGS).join(', ')}`)
  const theta = settings.rope_theta ?? defaults.theta ?? 10_000
  const originalContext = settings.original_max_position_embeddings ?? contextLength
  const positive = {
    rope_theta: theta,
    factor: settings.factor ?? 1,
    original_max_position_embeddings: originalContext,
  }
  for (const [name, value] of Object.entries(positive))
    if (!(value > 0 && value < Infinity)) throw new Error(`${name}: ${value} is not above 0`)
  const width = Math.trunc(headSize * (settings.partial_rotary_factor ?? defaults.partial ?? 1))
  if (!(width >= 2 && width <= headSize && width % 2 === 0))
    throw new Error(`partial_rotary_factor: of heads of ${headSize} numbers ${width} would be turned, in pairs`)
  const frequencies = Array.from({ length: width / 2 }, (_, i) => frequency(theta, (2 * i) / width))
  const plain = { frequencies, theta, width, headSize, contextLength, originalContext }
  const spec: Scaled = SCALINGS[kind as keyof typeof SCALINGS](plain, settings)
  if (!spec.frequencies.every((f) => Number.isFinite(f)) || !Number.isFinite(spec.magnitude ?? 1))
    throw new Error(`the settings of rotary scaling "${kind}" give angles that are no numbers`)
  return { ...spec, ...(interleaved ? { interleaved } : {}) }
}

const frequency = (theta: number, exponent: number): number => Math.fround(1 / Math.fround(theta ** exponent))

/** Llama 3's stretching of low frequencies. */
function llama3({ frequencies, originalContext: L0 }: Plain, settings: RopeScaling): Scaled {
  const { factor, low_freq_factor: low, high_freq_factor: high } = settings
  const [k, slow, fast] = [factor ?? 8, low ?? 1, high ?? 4]
  const stretched = (f: number): number => {
    const wavelength = (2 * Math.PI) / f
    if (wavelength < L0 / fast) return f
    if (wavelength > L0 / slow) return Math.fround(f / k)
    const smooth = (L0 / wavelength - slow) / (fast - slow)
    return Math.fround(((1 - smooth) * f) / k + smooth * f)
  }
  return { frequencies: frequencies.map(stretched) }
}

/** Dynamic NTK: a base that grows with texts beyond the context; Hunyuan's `alpha` is a larger base at every length. */
function dynamic({ frequencies, theta, width, headSize, contextLength }: Plain, settings: RopeScaling): Scaled {
  if (settings.alpha) {
    const base = theta * settings.alpha ** (headSize / (headSize - 2))
    return { frequencies: frequencies.map((_, i) => frequency(base, (2 * i) / width)) }
  }
  if (width < 4) throw new Error('dynamic rotary scaling wants more than one pair')
  return { frequencies, inLongTexts: { above: contextLength, factor: settings.factor ?? 1 } }
}

/** YaRN (arXiv 2309.00071). */
function yarn({ frequencies, theta, width: d, contextLength, originalContext }: Plain, settings: RopeScaling): Scaled {
  const k = settings.factor ?? contextLength / originalContext
  const pairOf = (rotations: number) =>
    (d * Math.log(originalContext / (2 * Math.PI * rotations))) / (2 * Math.log(theta))
  const [fast, slow] = [pairOf(settings.beta_fast ?? 32), pairOf(settings.beta_slow ?? 1)]
  const whole = settings.truncate ?? true
  const low = Math.max(0, whole ? Math.floor(fast) : fast)
  const high = Math.min(d - 1, whole ? Math.ceil(slow) : slow)
  const span = low === high ? 0.001 : high - low
  const share = (i: number) => Math.min(1, Math.max(0, (i - low) / span))
  return {
    frequencies: frequencies.map((f, i) => Math.fround(f * (1 - share(i)) + (f / k) * share(i))),
    magnitude: settings.attention_factor ?? yarnMagnitude(k, settings),
  }
}

function yarnMagnitude(k: number, { mscale, mscale_all_dim: ofAll }: RopeScaling): number {
  const magnitude = (scale: number) => (k <= 1 ? 1 : 0.1 * scale * Math.log(k) + 1)
  return mscale && ofAll ? magnitude(mscale) / magnitude(ofAll) : magnitude(1)
}

/** LongRoPE (arXiv 2402.13753): every pair has factors of its own, others in texts beyond the original context. */
function longrope({ frequencies, contextLength, originalContext: L0 }: Plain, settings: RopeScaling): Scaled {
  const by = (name: 'short_factor' | 'long_factor'): number[] => {
    const factors = settings[name] ?? []
    if (factors.length !== frequencies.length)
      throw new Error(`${name} has ${factors.length} numbers, but ${frequencies.length} pairs are turned`)
    return frequencies.map((f, i) => Math.fround(f / factors[i]!))
  }
  const k = settings.factor ?? contextLength / L0
  const magnitude = settings.attention_factor ?? (k <= 1 ? 1 : Math.sqrt(1 + Math.log(k) / Math.log(L0)))
  const inLongTexts: LongTextRotation = { above: L0, frequencies: by('long_factor') }
  return { frequencies: by('short_factor'), magnitude, ...(contextLength > L0 ? { inLongTexts } : {}) }
}
