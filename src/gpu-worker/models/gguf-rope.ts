import type { GgufHeader } from './gguf-header.ts'

/** `rope_scaling` of a `config.json`, out of a header's keys and the tensors that hold factors. */
export function ggufRopeScaling(header: GgufHeader, headSize: number): Record<string, unknown> | null {
  const kind = header.own('rope.scaling.type') ?? 'none'
  const factor = header.optional('rope.scaling.factor') ?? header.optional('rope.scale_linear')
  const original = header.optional('rope.scaling.original_context_length')
  const magnitude = header.optional('rope.scaling.attn_factor')
  const [short, long] = [numbers(header, 'rope_factors_short.weight'), numbers(header, 'rope_factors_long.weight')]
  if (short && long) {
    return {
      rope_type: 'longrope',
      short_factor: short,
      long_factor: long,
      original_max_position_embeddings: original ?? header.number('context_length'),
      attention_factor: magnitude ?? 1,
    }
  }
  const factors = numbers(header, 'rope_freqs.weight')
  if (factors) return llama3Scaling(header, factors, headSize)
  // Older files have only the factor.
  if (kind === 'linear' || (kind === 'none' && header.own('rope.scale_linear') !== undefined))
    return { rope_type: 'linear', factor: factor ?? 1 }
  if (kind === 'none') return null
  if (kind !== 'yarn') throw header.unsupported(`rotary scaling ${JSON.stringify(kind)} is not known`)
  return {
    rope_type: 'yarn',
    factor: factor ?? 1,
    original_max_position_embeddings: original ?? header.number('context_length'),
    ...withoutNulls({
      beta_fast: header.optional('rope.scaling.yarn_beta_fast'),
      beta_slow: header.optional('rope.scaling.yarn_beta_slow'),
    }),
    // llama.cpp multiplies what yarn asks for by it.
    ...(magnitude === null ? {} : { attention_factor: magnitude * (0.1 * Math.log(factor ?? 1) + 1) }),
  }
}

/** What the frequencies of Llama 3.x are divided by comes without the settings that it came from. */
const LLAMA3 = { low_freq_factor: 1, high_freq_factor: 4 }
const LLAMA3_CONTEXT = 8192

/**
 * The settings that some factors stand for: the largest of them is the factor; one between 1 and that tells the original
 * context. Throws `unsupported_model` where these settings would give other factors.
 */
function llama3Scaling(header: GgufHeader, factors: readonly number[], headSize: number) {
  const theta = header.decimal('rope.freq_base', 10_000)
  const { low_freq_factor: low, high_freq_factor: high } = LLAMA3
  const factor = factors.reduce((a, b) => Math.max(a, b), 1)
  const wavelengths = factors.map((_, i) => 2 * Math.PI * theta ** ((2 * i) / headSize))
  const between = factors.findIndex((f) => f > 1 + 1e-4 && f < factor - 1e-4)
  const smoothOf = (f: number) => (1 / f - 1 / factor) / (1 - 1 / factor)
  const original =
    between < 0
      ? LLAMA3_CONTEXT
      : Math.round(wavelengths[between]! * (low + (high - low) * smoothOf(factors[between]!)))
  const expected = wavelengths.map((wavelength) => {
    if (wavelength < original / high) return 1
    if (wavelength > original / low) return factor
    const smooth = (original / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
  const isRight = factors.length === headSize / 2 && factors.every((f, i) => Math.abs(f / expected[i]! - 1) < 1e-3)
  if (!isRight) throw header.unsupported('rope_freqs.weight holds factors that no Llama 3 scaling gives')
  return { rope_type: 'llama3', factor, ...LLAMA3, original_max_position_embeddings: original }
}

const numbers = (header: GgufHeader, tensor: string): number[] | null => {
  const stored = header.tensors.get(tensor)
  return stored ? [...stored.data] : null
}

const withoutNulls = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
